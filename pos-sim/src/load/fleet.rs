//! Who takes part in a load, and what each of them does next.

use std::sync::Arc;

use codecs::value::{Currency, Minor, Pan, ResponseCode, luhn_digit};
use rand::Rng;
use rand::rngs::StdRng;

use crate::acquirer::Acquirer;
use crate::card::Card;
use crate::exchange::{Exchange, Kind};
use crate::mix::{Flavour, Mix};
use crate::reading::{Instrument, PinEntry};
use crate::terminal::Terminal;
use crate::till::{Payment, TillError, Transaction};
use crate::wallet::Wallet;
use crate::world::World;
use crate::zipf::Zipf;

/// Tills and cards of a load. What is missing is left out of the mix: without an acquirer all comes from terminals,
/// without wallets contactless becomes chip.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    pub terminals: Vec<Arc<Terminal>>,
    pub acquirer: Option<Arc<Acquirer>>,
    /// In the order of their popularity.
    pub cards: Vec<Arc<Card>>,
    pub wallets: Vec<Arc<Wallet>>,
    pub foreign_cards: Vec<Arc<Card>>,
    /// Cards of which only what is printed on them is known: everything becomes e-commerce.
    pub printed_only: bool,
}

impl Fleet {
    /// Everybody in a world whose card's note begins with `prefix`; all cards of ours, if none does.
    #[must_use]
    pub fn of(world: &World, prefix: &str) -> Self {
        let chosen: Vec<_> = world.cards.iter().filter(|card| card.note.starts_with(prefix)).cloned().collect();
        let wallets = world.wallets.iter().filter(|wallet| wallet.card.note.starts_with(prefix));
        Self {
            terminals: world.terminals.clone(),
            acquirer: Some(Arc::clone(&world.acquirer)),
            wallets: wallets.cloned().collect(),
            cards: if chosen.is_empty() { world.cards.clone() } else { chosen },
            // the last one is made for it: the others belong to the story
            foreign_cards: world.foreign_cards.last().cloned().into_iter().collect(),
            printed_only: false,
        }
    }

    pub(super) fn can_fire(&self) -> bool {
        !self.cards.is_empty() && (!self.terminals.is_empty() || self.acquirer.is_some())
    }
}

/// Where a request is made.
#[derive(Clone, Debug)]
enum Till {
    Ours(Arc<Terminal>),
    Foreign(Arc<Acquirer>),
}

/// A request, drawn and ready to go.
#[derive(Debug)]
pub(super) struct Shot {
    till: Till,
    kind: Kind,
    payment: Payment,
}

impl Shot {
    pub(super) async fn fire(&self) -> Result<Transaction, TillError> {
        match &self.till {
            Till::Ours(terminal) => terminal.transact(self.kind, &self.payment).await,
            Till::Foreign(acquirer) => acquirer.transact(self.kind, &self.payment).await,
        }
    }

    pub(super) async fn reverse(&self, of: &Transaction, why: ResponseCode) -> Result<Exchange, TillError> {
        match &self.till {
            Till::Ours(terminal) => terminal.reverse(of, why).await,
            Till::Foreign(acquirer) => acquirer.reverse(of, why).await,
        }
    }
}

/// Draws one shot after the other.
#[derive(Debug)]
pub(super) struct Shooter {
    fleet: Fleet,
    mix: Mix,
    rng: StdRng,
    cards: Zipf,
    wallets: Option<Zipf>,
    turn: usize,
}

impl Shooter {
    pub(super) fn new(fleet: Fleet, mix: Mix, rng: StdRng) -> Self {
        let cards = Zipf::new(fleet.cards.len(), mix.zipf_exponent);
        let wallets = (!fleet.wallets.is_empty()).then(|| Zipf::new(fleet.wallets.len(), mix.zipf_exponent));
        Self { fleet, mix, rng, cards, wallets, turn: 0 }
    }

    pub(super) fn next_shot(&mut self) -> Shot {
        let flavour = self.mix.draw(&mut self.rng);
        let till = self.till(flavour);
        let kind = match flavour {
            Flavour::Refund => Kind::Refund,
            Flavour::BalanceInquiry => Kind::BalanceInquiry,
            _ => Kind::Purchase,
        };
        let amount = match flavour {
            Flavour::BalanceInquiry => 0,
            Flavour::OverLimit => self.mix.over_limit,
            _ => self.mix.draw_amount(&mut self.rng),
        };
        let instrument = self.instrument(flavour);
        let pin = if flavour == Flavour::ChipWithPin && matches!(instrument, Instrument::Chip(_)) {
            PinEntry::Right
        } else {
            PinEntry::None
        };
        Shot { till, kind, payment: Payment::new(instrument, Minor(amount), Currency::EUR).with_pin(pin) }
    }

    fn till(&mut self, flavour: Flavour) -> Till {
        // our routes take foreign cards from our own merchants alone
        let at_acquirer = flavour != Flavour::ForeignChip && self.rng.random_range(0..100) < self.mix.acquirer_per_cent;
        match &self.fleet.acquirer {
            Some(acquirer) if at_acquirer || self.fleet.terminals.is_empty() => Till::Foreign(Arc::clone(acquirer)),
            _ => {
                self.turn = (self.turn + 1) % self.fleet.terminals.len();
                Till::Ours(Arc::clone(&self.fleet.terminals[self.turn]))
            }
        }
    }

    fn instrument(&mut self, flavour: Flavour) -> Instrument {
        let card = Arc::clone(&self.fleet.cards[self.cards.draw(&mut self.rng)]);
        let needs_printing_alone = matches!(flavour, Flavour::WrongSecurityCode | Flavour::UnknownCard);
        if self.fleet.printed_only && !needs_printing_alone {
            return Instrument::Ecommerce(card);
        }
        match flavour {
            Flavour::ChipWithPin | Flavour::Chip | Flavour::OverLimit => chip(card),
            Flavour::Stripe | Flavour::Refund | Flavour::BalanceInquiry => Instrument::Stripe(card),
            Flavour::Keyed => Instrument::Keyed(card),
            Flavour::Contactless => match &self.wallets {
                Some(zipf) => wallet(&self.fleet.wallets[zipf.draw(&mut self.rng)]),
                None => chip(card),
            },
            Flavour::ForeignChip if self.fleet.terminals.is_empty() => chip(card),
            Flavour::ForeignChip => match self.fleet.foreign_cards.first() {
                Some(foreign) => chip(Arc::clone(foreign)),
                None => chip(card),
            },
            Flavour::WrongSecurityCode => Instrument::KeyedWrongCode(card),
            Flavour::UnknownCard => self.unissued(&card),
        }
    }

    /// A number from the end of a card's range, where nothing was ever issued.
    fn unissued(&mut self, like: &Card) -> Instrument {
        let range = String::from_utf8_lossy(&like.pan.expose()[..6]).into_owned();
        let mut digits = format!("{range}99{:07}", self.rng.random_range(0..10_000_000)).into_bytes();
        digits.push(luhn_digit(&digits));
        Instrument::Unissued { pan: Pan::from_digits(&digits).expect("sixteen digits"), expiry: like.expiry }
    }
}

/// A chip whose counter has run out is read by its stripe, as a till would.
fn chip(card: Arc<Card>) -> Instrument {
    if card.chip.is_worn_out() { Instrument::Stripe(card) } else { Instrument::Chip(card) }
}

fn wallet(wallet: &Arc<Wallet>) -> Instrument {
    if wallet.chip.is_worn_out() {
        Instrument::Keyed(Arc::clone(&wallet.card))
    } else {
        Instrument::Contactless(Arc::clone(wallet))
    }
}
