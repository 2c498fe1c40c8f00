//! The tills and cards of a load, and the random choice of each request.

use std::sync::Arc;

use codecs::value::{Currency, Minor, Pan, ResponseCode, luhn_digit};
use rand::Rng;
use rand::rngs::StdRng;

use crate::acquirer::Acquirer;
use crate::card::Card;
use crate::exchange::{Exchange, RequestKind};
use crate::mix::{LoadKind, Mix};
use crate::reading::{Instrument, PinEntry};
use crate::terminal::Terminal;
use crate::till::{Payment, TillError, Transaction};
use crate::wallet::Wallet;
use crate::world::World;
use crate::zipf::Zipf;

/// Tills and cards of a load. Without an acquirer all requests come from terminals; without wallets contactless becomes chip.
#[derive(Clone, Debug, Default)]
pub struct Participants {
    pub terminals: Vec<Arc<Terminal>>,
    pub acquirer: Option<Arc<Acquirer>>,
    /// In the order of their popularity.
    pub cards: Vec<Arc<Card>>,
    pub wallets: Vec<Arc<Wallet>>,
    pub foreign_cards: Vec<Arc<Card>>,
    /// Only the printed data of the cards is known: every request becomes e-commerce.
    pub printed_only: bool,
}

impl Participants {
    /// All tills of a world, and the cards whose note begins with `prefix`; all cards of ours, if none does.
    #[must_use]
    pub fn of(world: &World, prefix: &str) -> Self {
        let chosen: Vec<_> = world.cards.iter().filter(|card| card.note.starts_with(prefix)).cloned().collect();
        let wallets = world.wallets.iter().filter(|wallet| wallet.card.note.starts_with(prefix));
        Self {
            terminals: world.terminals.clone(),
            acquirer: Some(Arc::clone(&world.acquirer)),
            wallets: wallets.cloned().collect(),
            cards: if chosen.is_empty() { world.cards.clone() } else { chosen },
            // the last one is made for loads: the others are used by the demo's steps
            foreign_cards: world.foreign_cards.last().cloned().into_iter().collect(),
            printed_only: false,
        }
    }

    pub(super) fn can_send(&self) -> bool {
        !self.cards.is_empty() && (!self.terminals.is_empty() || self.acquirer.is_some())
    }
}

/// Where a request is made.
#[derive(Clone, Debug)]
enum Till {
    Ours(Arc<Terminal>),
    Foreign(Arc<Acquirer>),
}

/// A request that has been drawn and can be sent.
#[derive(Debug)]
pub(super) struct DrawnRequest {
    till: Till,
    kind: RequestKind,
    payment: Payment,
}

impl DrawnRequest {
    pub(super) async fn send(&self) -> Result<Transaction, TillError> {
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

/// Draws one request after the other.
#[derive(Debug)]
pub(super) struct RequestDraw {
    participants: Participants,
    mix: Mix,
    rng: StdRng,
    cards: Zipf,
    wallets: Option<Zipf>,
    turn: usize,
}

impl RequestDraw {
    pub(super) fn new(participants: Participants, mix: Mix, rng: StdRng) -> Self {
        let cards = Zipf::new(participants.cards.len(), mix.zipf_exponent);
        let wallets =
            (!participants.wallets.is_empty()).then(|| Zipf::new(participants.wallets.len(), mix.zipf_exponent));
        Self { participants, mix, rng, cards, wallets, turn: 0 }
    }

    pub(super) fn next_request(&mut self) -> DrawnRequest {
        let flavour = self.mix.draw(&mut self.rng);
        let till = self.till(flavour);
        let kind = match flavour {
            LoadKind::Refund => RequestKind::Refund,
            LoadKind::BalanceInquiry => RequestKind::BalanceInquiry,
            _ => RequestKind::Purchase,
        };
        let amount = match flavour {
            LoadKind::BalanceInquiry => 0,
            LoadKind::OverLimit => self.mix.over_limit,
            _ => self.mix.draw_amount(&mut self.rng),
        };
        let instrument = self.instrument(flavour);
        let pin = if flavour == LoadKind::ChipWithPin && matches!(instrument, Instrument::Chip(_)) {
            PinEntry::Right
        } else {
            PinEntry::None
        };
        DrawnRequest { till, kind, payment: Payment::new(instrument, Minor(amount), Currency::EUR).with_pin(pin) }
    }

    fn till(&mut self, flavour: LoadKind) -> Till {
        // foreign cards are routed only from our own merchants
        let at_acquirer =
            flavour != LoadKind::ForeignChip && self.rng.random_range(0..100) < self.mix.acquirer_per_cent;
        match &self.participants.acquirer {
            Some(acquirer) if at_acquirer || self.participants.terminals.is_empty() => {
                Till::Foreign(Arc::clone(acquirer))
            }
            _ => {
                self.turn = (self.turn + 1) % self.participants.terminals.len();
                Till::Ours(Arc::clone(&self.participants.terminals[self.turn]))
            }
        }
    }

    fn instrument(&mut self, flavour: LoadKind) -> Instrument {
        let card = Arc::clone(&self.participants.cards[self.cards.draw(&mut self.rng)]);
        let needs_printing_alone = matches!(flavour, LoadKind::WrongSecurityCode | LoadKind::UnknownCard);
        if self.participants.printed_only && !needs_printing_alone {
            return Instrument::Ecommerce(card);
        }
        match flavour {
            LoadKind::ChipWithPin | LoadKind::Chip | LoadKind::OverLimit => chip(card),
            LoadKind::Stripe | LoadKind::Refund | LoadKind::BalanceInquiry => Instrument::Stripe(card),
            LoadKind::Keyed => Instrument::Keyed(card),
            LoadKind::Contactless => match &self.wallets {
                Some(zipf) => wallet(&self.participants.wallets[zipf.draw(&mut self.rng)]),
                None => chip(card),
            },
            LoadKind::ForeignChip if self.participants.terminals.is_empty() => chip(card),
            LoadKind::ForeignChip => match self.participants.foreign_cards.first() {
                Some(foreign) => chip(Arc::clone(foreign)),
                None => chip(card),
            },
            LoadKind::WrongSecurityCode => Instrument::KeyedWrongCode(card),
            LoadKind::UnknownCard => self.unissued(&card),
        }
    }

    /// A card number from the end of a range, where no card was issued.
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
