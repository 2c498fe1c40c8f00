//! Any sequence of requests on one account, cut into batches in any way, leaves consistent books.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use codecs::originator::KeyClass;
use codecs::value::{Currency, Expiry, Minor, ResponseCode};
use jiff::SignedDuration;
use jiff::civil::date;
use ledger::account::Account;
use ledger::atc_window::AtcWindow;
use ledger::batch_rows::BatchRows;
use ledger::card::{Card, CardStatus};
use ledger::chart::AccountKind;
use ledger::day::{BusinessDay, BusinessDays, DayState};
use ledger::hold::HoldState;
use ledger::journal::Kind;
use proptest::prelude::*;

use super::*;
use crate::authorize::Rules;
use crate::guesses::{GuessLimits, Guesses};
use crate::request::{ReferredKeys, Request};
use crate::sample::{self, OUR_SHOP};

pub(super) const OPENING: i64 = 5_000;
pub(super) const ACCOUNT: (i16, i64) = (41, 1001);
pub(super) static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    currency: Currency::EUR,
    max_pin_tries: 3,
    completion_tolerance: BTreeMap::new(),
    balance_needs_pin: false,
    max_code_tries: 3,
    max_unreferenced_refunds_minor: 3_000,
    chip_amount_free: BTreeSet::from([5542]),
});

/// Nobody guesses here.
pub(super) static GUESSES: LazyLock<Guesses> = LazyLock::new(|| {
    Guesses::new(GuessLimits { window: SignedDuration::from_mins(60), max_failures: 20, max_failure_percent: 20 })
});

fn prepared(
    kind: Kind,
    stan: u32,
    amount_minor: i64,
    standing: Option<i64>,
    partial_supported: bool,
) -> PreparedRequest {
    // a completion with STAN n completes the pre-authorization with STAN n - 1
    let original = sample::key(OUR_SHOP, stan.wrapping_sub(1) % 1_000_000);
    let request = Request {
        referred: (kind == Kind::Completion).then(|| ReferredKeys::of(&original)),
        replacement: standing.map(Minor),
        partial_supported,
        ..sample::request(OUR_SHOP, stan, kind, amount_minor)
    };
    sample::prepared(request, ACCOUNT.0, ACCOUNT.1)
}

pub(super) fn loaded() -> BatchRows {
    let account = Account {
        bucket: ACCOUNT.0,
        account_id: ACCOUNT.1,
        currency: Currency::EUR,
        ledger_minor: OPENING,
        held_minor: 0,
        credit_minor: 0,
        seq: 0,
    };
    let card = Card {
        bucket: ACCOUNT.0,
        card_id: ACCOUNT.1,
        account_id: ACCOUNT.1,
        status: CardStatus::Active,
        expiry: Expiry { year: 29, month: 12 },
        limit_txn_minor: 1_000_000,
        limit_day_minor: 1_000_000,
        version: 1,
        day: date(2026, 11, 20),
        spent_minor: 0,
        pin_tries: 0,
        used_atcs: AtcWindow::NONE,
        code_tries: 0,
        code_refused_until: None,
    };
    let days = BusinessDays::new(vec![BusinessDay { date: date(2026, 11, 20), state: DayState::Open }]);
    BatchRows {
        days,
        accounts: HashMap::from([(ACCOUNT, account)]),
        cards: HashMap::from([(ACCOUNT.1, card)]),
        ..BatchRows::default()
    }
}

fn any_prepared() -> impl Strategy<Value = PreparedRequest> {
    let kind = prop_oneof![
        4 => Just(Kind::Purchase),
        2 => Just(Kind::PreAuthorization),
        2 => Just(Kind::Completion),
        1 => Just(Kind::Refund),
        3 => Just(Kind::Reversal),
        1 => Just(Kind::BalanceInquiry),
    ];
    // few trace numbers and few amounts, so that keys collide, repeat and differ
    let amount = prop_oneof![Just(700_i64), Just(900), Just(3_000)];
    let standing = prop::option::weighted(0.3, prop_oneof![Just(500_i64), Just(200)]);
    (kind, 1_u32..12, amount, any::<bool>(), standing).prop_map(|(kind, stan, amount, flag, standing)| {
        let mut prepared = prepared(kind, stan, amount, standing.filter(|_| kind == Kind::Reversal), flag);
        if kind == Kind::Reversal {
            // one that names no class means whatever there is at the time, so its repeat may mean another
            let class = if flag { KeyClass::Authorization } else { KeyClass::Financial };
            (prepared.request.key, prepared.request.class) = (sample::key(OUR_SHOP, stan).of_class(class), Some(class));
            let financial = sample::key(OUR_SHOP, stan).of_class(KeyClass::Financial);
            prepared.request.other_class = flag.then_some(financial);
        }
        prepared
    })
}

/// Sum of the legs of all batches on the cardholder's account.
#[derive(Default)]
struct Posted {
    cardholder: i64,
}

impl Posted {
    fn add(&mut self, batch: &Batch) {
        for (_, posting) in &batch.changes.postings {
            let legs = posting.legs();
            assert_eq!(
                legs.iter().map(|leg| leg.amount_minor).sum::<i64>(),
                0,
                "the legs of a transaction sum to zero"
            );
            let of_cardholder = legs.iter().filter(|leg| leg.account.kind == AccountKind::Cardholder);
            self.cardholder += of_cardholder.map(|leg| leg.amount_minor).sum::<i64>();
        }
    }
}

proptest! {
    #[test]
    fn the_books_balance_after_every_batch(
        batches in prop::collection::vec(prop::collection::vec(any_prepared(), 1..8), 1..10)
    ) {
        let (mut loaded, ids, mut posted) = (loaded(), Ids::of_epoch(1), Posted::default());
        for requests in &batches {
            let batch = fold(requests, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
            prop_assert_eq!(batch.outcomes.len(), requests.len());
            posted.add(&batch);
            let account = &loaded.accounts[&ACCOUNT];
            prop_assert_eq!(account.ledger_minor, OPENING + posted.cardholder);
            let open = loaded.holds.values().filter(|hold| hold.state == HoldState::Open);
            prop_assert_eq!(account.held_minor, open.map(|hold| hold.amount_minor).sum::<i64>());
            prop_assert!(account.held_minor >= 0);
        }
    }

    #[test]
    fn an_online_approval_never_takes_more_than_there_is(requests in prop::collection::vec(any_prepared(), 1..60)) {
        let (mut loaded, ids) = (loaded(), Ids::of_epoch(1));
        for prepared in &requests {
            let before = loaded.accounts[&ACCOUNT].available_minor();
            let batch = fold(std::slice::from_ref(prepared), &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
            if let Some(Outcome::Decided(row)) = batch.outcomes.first()
                && matches!(row.kind, Kind::Purchase | Kind::PreAuthorization)
                && row.response_code.is_approval()
            {
                prop_assert!(row.approved.0 > 0 && row.approved.0 <= before);
                prop_assert!(loaded.accounts[&ACCOUNT].available_minor() >= 0);
            }
        }
    }

    #[test]
    fn how_requests_are_cut_into_batches_does_not_matter(requests in prop::collection::vec(any_prepared(), 1..40), cut in 1_usize..9) {
        let run = |size: usize| {
            let (mut loaded, ids) = (loaded(), Ids::of_epoch(1));
            let codes: Vec<(ResponseCode, i64)> = requests
                .chunks(size)
                .flat_map(|part| fold(part, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch()).outcomes)
                .map(|outcome| match outcome {
                    Outcome::Decided(row) | Outcome::Repeated(row) | Outcome::Refused(row) => (row.response_code, row.approved.0),
                    Outcome::Stale => panic!("nothing changes the card here"),
                })
                .collect();
            (codes, loaded.accounts[&ACCOUNT].clone())
        };
        prop_assert_eq!(run(1), run(cut));
    }

    #[test]
    fn sent_again_nothing_moves(requests in prop::collection::vec(any_prepared(), 1..40)) {
        let (mut loaded, ids) = (loaded(), Ids::of_epoch(1));
        fold(&requests, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
        let (account, rows) = (loaded.accounts[&ACCOUNT].clone(), loaded.rows.len());
        let again = fold(&requests, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
        prop_assert!(again.changes.postings.is_empty());
        let account_now = &loaded.accounts[&ACCOUNT];
        prop_assert_eq!(account_now.ledger_minor, account.ledger_minor);
        prop_assert_eq!(account_now.held_minor, account.held_minor);
        // an advice with the key of a sale that was reversed since is for a person to look at
        let new = again.changes.rows.iter().filter(|row| row.exception.as_deref() != Some("reversed-before"));
        prop_assert_eq!(new.count(), 0);
        prop_assert_eq!(loaded.rows.len(), rows + again.changes.rows.len());
    }
}

#[test]
fn a_purchase_reversed_in_its_own_batch_leaves_nothing_behind() {
    let (mut loaded, ids) = (loaded(), Ids::of_epoch(1));
    let requests = [prepared(Kind::Purchase, 1, 900, None, false), prepared(Kind::Reversal, 1, 900, None, false)];
    let batch = fold(&requests, &mut loaded, &RULES, 7, &ids, &mut GUESSES.batch());
    assert_eq!((batch.changes.rows.len(), batch.changes.postings.len()), (2, 2));
    assert_eq!(loaded.accounts[&ACCOUNT].ledger_minor, OPENING);
    assert_eq!(loaded.cards[&ACCOUNT.1].spent_minor, 0, "the limit is given back");
    assert_eq!(
        batch.changes.rows[1].original.and_then(|original| original.auth_id),
        Some(batch.changes.rows[0].auth_id)
    );
}
