//! The batch against a model of the rules that is simple enough to be read as them: any history of requests, repeats,
//! completions and reversals on one account leaves the same balance, the same holds and the same use of the limit.

use std::collections::{BTreeMap, BTreeSet};

use codecs::originator::KeyClass;
use codecs::value::{Currency, Minor, Money};
use ledger::hold::HoldState;
use ledger::journal::{Kind, RowKey};
use proptest::prelude::*;

use super::tests::{ACCOUNT, GUESSES, OPENING, RULES, loaded};
use super::*;
use crate::billing::Foreign;
use crate::request::{ReferredKeys, Request};
use crate::sample::{self, OUR_SHOP};

/// One message. Few numbers and amounts, so that keys collide, repeat and contradict each other.
#[derive(Clone, Copy, Debug)]
enum Message {
    Purchase {
        stan: u32,
        minor: i64,
        in_part: bool,
    },
    PreAuthorization {
        stan: u32,
        minor: i64,
    },
    /// Names the sale `of`, if there is one, or none at all.
    Refund {
        stan: u32,
        minor: i64,
        of: Option<u32>,
    },
    /// Names the pre-authorization `of`.
    Completion {
        stan: u32,
        minor: i64,
        of: u32,
    },
    Reversal {
        class: KeyClass,
        stan: u32,
        minor: i64,
        standing: Option<i64>,
    },
}

/// Ten of this are one of ours.
const DIMES: Currency = Currency::from_number(840);

/// The message as it comes from where ten units are one of ours.
fn abroad(mut request: Request) -> Request {
    let sent = Money::new(request.amount.0 * 10, DIMES);
    if request.kind == Kind::Reversal {
        (request.amount, request.currency) = (sent.minor, sent.currency);
        request.replacement = request.replacement.map(|standing| Minor(standing.0 * 10));
    } else {
        request.foreign = Some(Foreign { sent, rate: None });
    }
    request
}

impl Message {
    fn prepared(self, is_abroad: bool) -> PreparedRequest {
        let request = match self {
            Self::Purchase { stan, minor, in_part } => {
                Request { partial_supported: in_part, ..sample::request(OUR_SHOP, stan, Kind::Purchase, minor) }
            }
            Self::PreAuthorization { stan, minor } => sample::request(OUR_SHOP, stan, Kind::PreAuthorization, minor),
            Self::Refund { stan, minor, .. } => sample::request(OUR_SHOP, stan, Kind::Refund, minor),
            Self::Completion { stan, minor, of } => {
                let key = ReferredKeys::of(&sample::key(OUR_SHOP, of));
                let referred = Some(ReferredKeys { class: Some(KeyClass::Authorization), ..key });
                Request { referred, ..sample::request(OUR_SHOP, stan, Kind::Completion, minor) }
            }
            Self::Reversal { class, stan, minor, standing } => {
                let key = sample::key(OUR_SHOP, stan);
                let other = (class == KeyClass::Authorization).then(|| key.of_class(KeyClass::Financial));
                Request {
                    key: key.of_class(class),
                    class: Some(class),
                    other_class: other,
                    replacement: standing.map(Minor),
                    ..sample::request(OUR_SHOP, stan, Kind::Reversal, minor)
                }
            }
        };
        let request = if is_abroad { abroad(request) } else { request };
        let mut prepared = sample::prepared(request, ACCOUNT.0, ACCOUNT.1);
        if let Self::Refund { of: Some(of), .. } = self {
            let sale = sample::key(OUR_SHOP, of).of_class(KeyClass::Financial);
            prepared.refund_of = vec![prepared.in_bucket(&sale, sale.original)];
        }
        prepared
    }
}

/// A transaction that the model has seen.
#[derive(Clone, Copy, Debug)]
struct Seen {
    kind: Kind,
    requested: i64,
    approved: i64,
    given_back: i64,
    /// The pre-authorization whose hold a completion used.
    of: Option<u32>,
    /// What partial reversals that came first leave standing at most.
    standing: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct ModelHold {
    open: bool,
    completed: bool,
    minor: i64,
    captured: i64,
}

/// Account and card as the rules have them.
#[derive(Debug, Default)]
struct Model {
    ledger: i64,
    seen: BTreeMap<(KeyClass, u32), Seen>,
    /// Completions with the key and the amount of a request that was declined.
    beside: BTreeMap<u32, Seen>,
    /// Refunds that name no sale.
    unreferenced: BTreeSet<u32>,
    /// Refunds and the sale that each names.
    refunds: BTreeMap<u32, u32>,
    /// Reversals that took their key: full (none) or with what stands.
    reversals: BTreeMap<(KeyClass, u32), Vec<Option<i64>>>,
    holds: BTreeMap<u32, ModelHold>,
}

impl Model {
    fn held(&self) -> i64 {
        self.holds.values().filter(|hold| hold.open).map(|hold| hold.minor).sum()
    }

    /// Everything is of one day: what is sold and not given back, what is held, and what was captured of holds.
    fn spent(&self) -> i64 {
        let alone = |seen: &&Seen| matches!(seen.kind, Kind::Purchase | Kind::Completion) && seen.of.is_none();
        let all = self.seen.values().chain(self.beside.values());
        let sold: i64 = all.filter(alone).map(|seen| seen.approved - seen.given_back).sum();
        let of_hold = |hold: &ModelHold| if hold.open { hold.minor } else { hold.captured };
        sold + self.holds.values().map(of_hold).sum::<i64>()
    }

    /// `is_known`: the journal has what a refund names. It is looked for before the batch.
    fn take(&mut self, message: Message, is_known: bool) {
        match message {
            Message::Purchase { stan, minor, in_part } => {
                let approved = self.affordable(minor, in_part);
                if let Some(approved) = self.first(KeyClass::Financial, stan, Kind::Purchase, minor, approved, None) {
                    self.ledger -= approved;
                }
            }
            Message::PreAuthorization { stan, minor } => {
                let approved = self.affordable(minor, false);
                let first = self.first(KeyClass::Authorization, stan, Kind::PreAuthorization, minor, approved, None);
                if let Some(minor) = first.filter(|minor| *minor > 0) {
                    self.holds.insert(stan, ModelHold { open: true, minor, ..ModelHold::default() });
                }
            }
            Message::Refund { stan, minor, of } => {
                let of = of.filter(|_| is_known);
                let left = match of {
                    Some(of) => self.left_of(of),
                    None => Some(RULES.max_unreferenced_refunds_minor - self.unreferenced()),
                };
                let before = self.reversals.get(&(KeyClass::Financial, stan)).map(Vec::as_slice).unwrap_or_default();
                let asked = before.iter().flatten().copied().fold(minor, i64::min);
                let approved = if left.is_some_and(|left| asked > left) { 0 } else { minor };
                if let Some(approved) = self.first(KeyClass::Financial, stan, Kind::Refund, minor, approved, None) {
                    self.ledger += approved;
                    match of {
                        Some(of) => {
                            self.refunds.insert(stan, of);
                        }
                        None => {
                            self.unreferenced.insert(stan);
                        }
                    }
                }
            }
            Message::Completion { stan, minor, of } => {
                let used = self.holds.get(&of).filter(|hold| hold.open || hold.completed).map(|_| of);
                let first = self.first(KeyClass::Financial, stan, Kind::Completion, minor, minor, used);
                let first = first.or_else(|| self.beside_declined(stan, minor, used));
                let Some(approved) = first.filter(|minor| *minor > 0) else { return };
                self.ledger -= approved;
                if let Some(hold) = used.and_then(|of| self.holds.get_mut(&of)) {
                    (hold.open, hold.completed) = (false, true);
                    hold.captured += approved;
                }
            }
            Message::Reversal { class, stan, minor, standing } => self.reverse(class, stan, minor, standing),
        }
    }

    fn unreferenced(&self) -> i64 {
        let given = self.unreferenced.iter().filter_map(|stan| self.seen.get(&(KeyClass::Financial, *stan)));
        given.map(|seen| seen.approved - seen.given_back).sum()
    }

    /// What is left to give back of a sale; `None` if there was none.
    fn left_of(&self, sale: u32) -> Option<i64> {
        let seen = |stan| self.seen.get(&(KeyClass::Financial, stan));
        let sold = seen(sale).filter(|of| matches!(of.kind, Kind::Purchase | Kind::Completion) && of.approved > 0)?;
        let refunds = self.refunds.iter().filter(|(_, of)| **of == sale).filter_map(|(stan, _)| seen(*stan));
        Some(sold.approved - sold.given_back - refunds.map(|of| of.approved - of.given_back).sum::<i64>())
    }

    fn affordable(&self, minor: i64, in_part: bool) -> i64 {
        let available = self.ledger - self.held();
        match available >= minor {
            true => minor,
            false if in_part => available.max(0),
            false => 0,
        }
    }

    /// The first message with a key: what of it is approved. A later one moves nothing, whatever it says; one whose full
    /// reversal came first is kept and moves nothing; a partial reversal that came first leaves what stands.
    fn first(
        &mut self,
        class: KeyClass,
        stan: u32,
        kind: Kind,
        requested: i64,
        approved: i64,
        of: Option<u32>,
    ) -> Option<i64> {
        if self.seen.contains_key(&(class, stan)) {
            return None;
        }
        let before = self.reversals.get(&(class, stan)).map(Vec::as_slice).unwrap_or_default();
        let dead = before.contains(&None);
        let standing = before.iter().flatten().copied().min().unwrap_or(i64::MAX);
        let approved = if dead { 0 } else { approved.min(standing) };
        let of = of.filter(|_| approved > 0);
        self.seen.insert((class, stan), Seen { kind, requested, approved, given_back: 0, of, standing });
        Some(approved)
    }

    /// A completion with the key of a request that was declined, and not reversed: what of it is posted, the first time.
    fn beside_declined(&mut self, stan: u32, minor: i64, of: Option<u32>) -> Option<i64> {
        let key = (KeyClass::Financial, stan);
        let declined = self.seen.get(&key)?;
        let failed = declined.approved == 0 && declined.requested == minor && declined.kind != Kind::Completion;
        let reversed = self.reversals.get(&key).is_some_and(|before| before.contains(&None));
        if !failed || reversed || self.beside.contains_key(&stan) {
            return None;
        }
        let approved = minor.min(declined.standing);
        let told = Seen { kind: Kind::Completion, approved, given_back: 0, of, ..*declined };
        self.beside.insert(stan, told);
        Some(approved)
    }

    fn reverse(&mut self, class: KeyClass, stan: u32, minor: i64, standing: Option<i64>) {
        let key = (class, stan);
        if self.reversals.get(&key).is_some_and(|before| before.contains(&standing)) {
            return;
        }
        let Some(seen) = self.seen.get_mut(&key) else {
            self.reversals.entry(key).or_default().push(standing);
            return;
        };
        let beside = self.beside.get_mut(&stan).filter(|told| class == KeyClass::Financial && told.requested == minor);
        let seen = if seen.approved == 0 { beside.unwrap_or(seen) } else { seen };
        let left = seen.approved - seen.given_back;
        let stands = standing.unwrap_or(0);
        let differs = minor != seen.requested && minor != seen.approved;
        let raised = stands > left && stands < seen.approved;
        if seen.approved > 0 && (differs || raised) {
            // an exception: nothing moves, and the key stays free for the reversal that is right
            return;
        }
        self.reversals.entry(key).or_default().push(standing);
        let back = left - stands;
        if back <= 0 {
            return;
        }
        match seen.kind {
            Kind::Purchase | Kind::Completion => {
                self.ledger += back;
                seen.given_back += back;
                if let Some(hold) = seen.of.and_then(|of| self.holds.get_mut(&of)) {
                    hold.captured -= back;
                }
            }
            Kind::Refund => {
                self.ledger -= back;
                seen.given_back += back;
            }
            _ => {
                let hold = self.holds.get_mut(&stan).expect("an approved pre-authorization has a hold");
                if hold.open {
                    let back = back.min(hold.minor);
                    seen.given_back += back;
                    hold.minor -= back;
                    hold.open = hold.minor > 0;
                }
            }
        }
    }
}

fn any_message() -> impl Strategy<Value = Message> {
    let (stan, of) = (1_u32..7, 1_u32..7);
    let minor = prop_oneof![Just(700_i64), Just(900), Just(1_600)];
    let standing = prop::option::weighted(0.5, prop_oneof![Just(200_i64), Just(500), Just(800)]);
    (0_u8..13, stan, of, minor, standing, any::<bool>()).prop_map(
        |(what, stan, of, minor, standing, flag)| match what {
            0..=2 => Message::Purchase { stan, minor, in_part: flag },
            3..=4 => Message::PreAuthorization { stan, minor },
            5..=6 => Message::Refund { stan, minor, of: flag.then_some(of) },
            7..=8 => Message::Completion { stan, minor, of },
            _ => {
                let class = if flag { KeyClass::Authorization } else { KeyClass::Financial };
                Message::Reversal { class, stan, minor, standing }
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2_000)))]
    #[test]
    fn any_history_ends_as_the_rules_say(
        history in prop::collection::vec(any_message(), 1..40), cut in 1_usize..6, is_abroad in any::<bool>(),
    ) {
        let (mut loaded, ids) = (loaded(), Ids::of_epoch(1));
        let mut model = Model { ledger: OPENING, ..Model::default() };
        for part in history.chunks(cut) {
            let mut prepared: Vec<_> = part.iter().map(|message| message.prepared(is_abroad)).collect();
            let is_capture = |key: &RowKey| loaded.rows.get(key).is_some_and(|row| {
                matches!(row.kind, Kind::Purchase | Kind::Completion) && row.approved.0 > 0
            });
            prepared.iter_mut().for_each(|prepared| prepared.refund_of.retain(is_capture));
            fold(&prepared, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
            for (message, prepared) in part.iter().zip(&prepared) {
                model.take(*message, !prepared.refund_of.is_empty());
            }
            let account = &loaded.accounts[&ACCOUNT];
            prop_assert_eq!(account.ledger_minor, model.ledger);
            prop_assert_eq!(account.held_minor, model.held());
            prop_assert_eq!(loaded.cards[&ACCOUNT.1].spent_minor, model.spent());
            let open = loaded.holds.values().filter(|hold| hold.state == HoldState::Open);
            prop_assert_eq!(open.count(), model.holds.values().filter(|hold| hold.open).count());
            let captured: i64 = loaded.holds.values().map(|hold| hold.captured_minor).sum();
            prop_assert_eq!(captured, model.holds.values().map(|hold| hold.captured).sum::<i64>());
        }
    }
}
