//! Tables of decisions, one line a case, readable without the code.

mod tries;

use std::sync::LazyLock;

use codecs::value::{ApprovalCode, Minor, Money, Stan};
use hsm::PanIndex;
use jiff::SignedDuration;
use jiff::civil::date;
use ledger::atc_window::AtcWindow;
use ledger::hold::HoldState;
use ledger::key::ContentDigest;

use super::*;
use crate::billing::Foreign;
use crate::request::{CardEntry, ChipTerms};
use crate::sample::{self, OUR_SHOP};

const EXPIRY: Expiry = Expiry { year: 29, month: 12 };
static RULES: LazyLock<Rules> = LazyLock::new(|| Rules {
    currency: Currency::EUR,
    max_pin_tries: 3,
    completion_tolerance: BTreeMap::from([(5812, 20)]),
    balance_needs_pin: false,
    max_code_tries: 3,
    max_unreferenced_refunds_minor: 10_000,
    chip_amount_free: BTreeSet::from([5542]),
});

fn request(kind: Kind, amount_minor: i64) -> Request {
    let plain = sample::request(OUR_SHOP, 17, kind, amount_minor);
    let mut request = Request { card_entry: CardEntry::Chip, advice: false, rrn: None, ..plain };
    request.identify(Some(PanIndex([7; 32])));
    request
}

fn card() -> Card {
    Card {
        bucket: 3,
        card_id: 1,
        account_id: 1001,
        status: CardStatus::Active,
        expiry: EXPIRY,
        limit_txn_minor: 50_000,
        limit_day_minor: 80_000,
        version: 1,
        day: date(2026, 11, 20),
        spent_minor: 0,
        pin_tries: 0,
        used_atcs: AtcWindow::NONE,
        code_tries: 0,
        code_refused_until: None,
    }
}

/// What the chip signs of a purchase of this amount.
fn terms(amount_minor: i64) -> ChipTerms {
    ChipTerms {
        amount: Minor(amount_minor),
        cash_back: Minor::ZERO,
        currency: Currency::EUR,
        date: sample::TODAY,
        transaction: 0,
        asks_online: true,
    }
}

fn account(available: i64) -> Account {
    Account {
        bucket: 3,
        account_id: 1001,
        currency: Currency::EUR,
        ledger_minor: available,
        held_minor: 0,
        credit_minor: 0,
        seq: 0,
    }
}

fn proof() -> Proof {
    Proof {
        security_code: SecurityCode::Right,
        cryptogram: Cryptogram::Right { atc: 9 },
        pin: Pin::Absent,
        expiry: Some(EXPIRY),
    }
}

fn facts<'a>(proof: &'a Proof, card: &'a Card, account: &'a Account) -> Facts<'a> {
    Facts {
        rules: &RULES,
        earlier: None,
        reversed: false,
        standing: None,
        acceptor_known: true,
        card: Some(card),
        token: None,
        account: Some(account),
        proof,
        original: None,
        already_reversed_minor: 0,
        adjusted_minor: 0,
        refundable_minor: None,
        unreferenced_left_minor: None,
        hold: None,
        hold_ambiguous: false,
        credential_stored: false,
        codes_refused_here: false,
        at: Timestamp::UNIX_EPOCH,
    }
}

fn outcome(request: &Request, facts: &Facts<'_>) -> String {
    let decision = decide(request, facts);
    let code = response_code(request, &decision);
    match decision {
        Decision::Decline(reason) => format!("{code} {reason:?}"),
        Decision::Approve(movement) => format!("{code} {movement:?}"),
        Decision::Acknowledge { movement, reason, exception } => {
            let reason = reason.map_or(String::new(), |reason| format!(" {reason:?}"));
            let exception = exception.map_or(String::new(), |exception| format!(" {exception:?}"));
            format!("{code} {movement:?}{reason}{exception}")
        }
        Decision::Repeat => "repeat".into(),
    }
}

/// Applies the change that each word names to the facts of an approvable chip purchase, then decides.
fn purchase_with(words: &str, amount: i64) -> String {
    let mut request = request(Kind::Purchase, amount);
    let (mut proof, mut card, mut account) = (proof(), card(), account(100_000));
    let mut token = None;
    let mut unknown = Vec::new();
    let (mut earlier, mut reversed, mut stored, mut guessed) = (None, false, false, false);
    for word in words.split_whitespace() {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse::<i64>().unwrap();
        match name {
            "available" => account.ledger_minor = number(),
            "spent" => card.spent_minor = number(),
            "tries" => card.pin_tries = number() as i16,
            "expiry" => card.expiry = Expiry::parse(value).unwrap(),
            "read-expiry" => proof.expiry = Expiry::parse(value),
            "seen" => card.used_atcs.record(number() as u16),
            "abroad" => {
                let sent = Money::new(number(), Currency::from_number(840));
                request.foreign = Some(Foreign { sent, rate: None });
            }
            "currency" => request.currency = Currency::from_number(number() as u16),
            "partial" => request.partial_supported = true,
            "stripe" => (request.card_entry, proof.cryptogram) = (CardEntry::Stripe, Cryptogram::Absent),
            "keyed" => (request.card_entry, proof.cryptogram) = (CardEntry::Keyed, Cryptogram::Absent),
            "no-code" => proof.security_code = SecurityCode::Absent,
            "bad-code" => proof.security_code = SecurityCode::Wrong,
            "icvv" => proof.security_code = SecurityCode::ChipDataOnStripe,
            "no-arqc" => proof.cryptogram = Cryptogram::Absent,
            "bad-arqc" => proof.cryptogram = Cryptogram::Wrong,
            "cvn?" => proof.cryptogram = Cryptogram::VersionUnknown,
            "pin-ok" => proof.pin = Pin::Right,
            "pin-bad" => proof.pin = Pin::Wrong,
            "pin-block" => proof.pin = Pin::Malformed,
            "blocked" => card.status = CardStatus::Blocked,
            "lost" => card.status = CardStatus::Lost,
            "stolen" => card.status = CardStatus::Stolen,
            "closed" => card.status = CardStatus::Closed,
            "token" | "token-suspended" | "token-seen" => {
                let status = if name == "token-suspended" { TokenStatus::Suspended } else { TokenStatus::Active };
                let mut used_atcs = AtcWindow::NONE;
                if name == "token-seen" {
                    used_atcs.record(9);
                }
                let expiry = EXPIRY;
                token = Some(Token { bucket: 3, token_id: 1, card_id: 1, status, expiry, version: 1, used_atcs });
            }
            "amount" => request.amount.0 = number(),
            "chip-amount" => request.chip_terms = Some(ChipTerms { amount: Minor(number()), ..terms(amount) }),
            "chip-dollars" => {
                let minor = if value.is_empty() { amount } else { number() };
                request.chip_terms = Some(ChipTerms { currency: Currency::from_number(840), ..terms(minor) });
            }
            "chip-cash-back" => {
                request.chip_terms = Some(ChipTerms { cash_back: Minor(number()), ..terms(amount) });
            }
            "chip-day" => {
                request.chip_terms = Some(ChipTerms { date: date(2026, 11, number() as i8), ..terms(amount) })
            }
            "chip-cash" => request.chip_terms = Some(ChipTerms { transaction: 1, ..terms(amount) }),
            "chip-offline" => request.chip_terms = Some(ChipTerms { asks_online: false, ..terms(amount) }),
            "fuel" => request.mcc = Some(Number(5542)),
            "code-refused" => {
                (request.card_entry, proof.cryptogram) = (CardEntry::Keyed, Cryptogram::Absent);
                card.code_refused_until = Some(Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1));
            }
            "stored" => {
                (request.card_entry, proof.cryptogram) = (CardEntry::Keyed, Cryptogram::Absent);
                (proof.security_code, stored) = (SecurityCode::Absent, true);
            }
            "guessed-here" => {
                (request.card_entry, proof.cryptogram) = (CardEntry::Keyed, Cryptogram::Absent);
                guessed = true;
            }
            "cash-back" => request.cash_back = Some(Minor(number())),
            "key-reused" => {
                earlier = Some(Row { digest: ContentDigest([0xFF; 16]), ..journalled(Kind::Purchase, amount, amount) });
            }
            "reversed" => reversed = true,
            "merchant?" | "card?" => unknown.push(name.to_owned()),
            other => panic!("{other} is no fact"),
        }
    }
    let mut facts = facts(&proof, &card, &account);
    facts.token = token.as_ref();
    (facts.earlier, facts.reversed) = (earlier.as_ref(), reversed);
    (facts.credential_stored, facts.codes_refused_here) = (stored, guessed);
    facts.acceptor_known = !unknown.contains(&"merchant?".to_owned());
    if unknown.contains(&"card?".to_owned()) {
        (facts.card, facts.account) = (None, None);
    }
    outcome(&request, &facts)
}

#[test]
fn purchases() {
    for (words, amount, expected) in [
        ("", 10_000, "00 Capture { minor: 10000 }"),
        ("available=10000", 10_000, "00 Capture { minor: 10000 }"),
        ("available=9999", 10_000, "51 FundsInsufficient"),
        ("available=9999 partial", 10_000, "10 Capture { minor: 9999 }"),
        ("available=0 partial", 10_000, "51 FundsInsufficient"),
        ("available=-5 partial", 10_000, "51 FundsInsufficient"),
        ("", 50_001, "61 TransactionLimit"),
        ("spent=70000", 10_000, "00 Capture { minor: 10000 }"),
        ("spent=70001", 10_000, "61 DailyLimit"),
        ("", i64::MAX, "61 TransactionLimit"),
        ("", 0, "13 AmountMissing"),
        ("currency=840", 10_000, "12 CurrencyNotServed"),
        ("merchant?", 10_000, "03 AcceptorUnknown"),
        ("card?", 10_000, "14 CardUnknown"),
        ("blocked", 10_000, "62 CardBlocked"),
        ("lost", 10_000, "41 CardLost"),
        ("stolen", 10_000, "43 CardStolen"),
        ("closed", 10_000, "14 CardClosed"),
        ("expiry=2610 read-expiry=2610", 10_000, "54 CardExpired"),
        ("read-expiry=3012", 10_000, "54 ExpiryWrong"),
        ("stripe", 10_000, "00 Capture { minor: 10000 }"),
        ("stripe bad-code", 10_000, "82 SecurityCodeWrong"),
        ("stripe icvv", 10_000, "82 ChipDataOnStripe"),
        ("stripe no-code", 10_000, "82 ProofMissing"),
        ("keyed no-code", 10_000, "82 ProofMissing"),
        ("no-arqc", 10_000, "82 ProofMissing"),
        ("bad-arqc", 10_000, "82 CryptogramWrong"),
        ("cvn?", 10_000, "82 CryptogramVersionUnknown"),
        ("seen=9", 10_000, "82 CounterReplayed"),
        ("seen=8", 10_000, "00 Capture { minor: 10000 }"),
        ("token seen=9", 10_000, "00 Capture { minor: 10000 }"),
        ("token-seen", 10_000, "82 CounterReplayed"),
        ("token-suspended", 10_000, "62 TokenNotActive"),
        ("pin-ok", 10_000, "00 Capture { minor: 10000 }"),
        ("pin-bad", 10_000, "55 PinWrong"),
        ("pin-bad tries=1", 10_000, "55 PinWrong"),
        ("pin-bad tries=2", 10_000, "75 PinTriesExceeded"),
        ("pin-bad tries=3", 10_000, "75 PinTriesExceeded"),
        ("pin-ok tries=3", 10_000, "75 PinTriesExceeded"),
        ("tries=3", 10_000, "00 Capture { minor: 10000 }"),
        ("pin-block", 10_000, "86 PinBlockMalformed"),
        ("chip-amount=9999", 10_000, "82 ChipAmountDiffers"),
        ("chip-amount=9999 fuel", 10_000, "00 Capture { minor: 10000 }"),
        ("chip-cash-back=500", 10_000, "82 ChipCashBackDiffers"),
        ("chip-cash-back=500 cash-back=500", 10_000, "00 Capture { minor: 10000 }"),
        ("chip-cash-back=0 cash-back=500", 10_000, "82 ChipCashBackDiffers"),
        ("chip-day=18", 10_000, "82 ChipDateDiffers"),
        ("chip-day=19", 10_000, "00 Capture { minor: 10000 }"),
        ("chip-day=21", 10_000, "00 Capture { minor: 10000 }"),
        ("chip-day=22", 10_000, "82 ChipDateDiffers"),
        ("chip-offline", 10_000, "82 ChipDidNotAsk"),
        ("code-refused", 10_000, "63 SecurityCodeTriesExceeded"),
        ("code-refused bad-code", 10_000, "63 SecurityCodeTriesExceeded"),
        ("code-refused no-code stripe", 10_000, "82 ProofMissing"),
        ("guessed-here", 10_000, "63 MerchantCodeTriesExceeded"),
        ("guessed-here card?", 10_000, "63 MerchantCodeTriesExceeded"),
        ("guessed-here stored", 10_000, "00 Capture { minor: 10000 }"),
        ("guessed-here stripe", 10_000, "00 Capture { minor: 10000 }"),
        ("stored", 10_000, "00 Capture { minor: 10000 }"),
        ("stored bad-code", 10_000, "82 SecurityCodeWrong"),
        ("keyed no-code token", 10_000, "82 ProofMissing"),
        ("keyed token no-code", 10_000, "82 ProofMissing"),
        ("cash-back=10001", 10_000, "13 AmountsContradict"),
        ("cash-back=10000", 10_000, "00 Capture { minor: 10000 }"),
        ("abroad=11111 cash-back=11111", 10_000, "00 Capture { minor: 10000 }"),
        ("abroad=11111 cash-back=11112", 10_000, "13 AmountsContradict"),
        ("abroad=11111 chip-dollars=11111", 10_000, "00 Capture { minor: 10000 }"),
        ("abroad=11111 chip-dollars=10000", 10_000, "82 ChipAmountDiffers"),
        ("abroad=11111 chip-amount=11111", 10_000, "82 ChipCurrencyDiffers"),
    ] {
        assert_eq!(purchase_with(words, amount), expected, "{words} {amount}");
    }
}

/// For each reason that a request can be declined for, a change that causes it alone. Two causes with a letter in
/// common change the same fact, so they cannot be combined.
const CAUSES: [(&str, &str, Reason); 35] = [
    ("a", "key-reused", Reason::KeyReused),
    ("b", "reversed", Reason::Reversed),
    ("c", "merchant?", Reason::AcceptorUnknown),
    ("d", "currency=840", Reason::CurrencyNotServed),
    ("e", "amount=0", Reason::AmountMissing),
    ("e", "cash-back=10001", Reason::AmountsContradict),
    ("gh", "guessed-here", Reason::MerchantCodeTriesExceeded),
    ("f", "card?", Reason::CardUnknown),
    ("gh", "stripe no-code", Reason::ProofMissing),
    ("gh", "keyed no-code", Reason::ProofMissing),
    ("h", "no-arqc", Reason::ProofMissing),
    ("g", "icvv", Reason::ChipDataOnStripe),
    ("gh", "code-refused", Reason::SecurityCodeTriesExceeded),
    ("g", "bad-code", Reason::SecurityCodeWrong),
    ("h", "cvn?", Reason::CryptogramVersionUnknown),
    ("h", "bad-arqc", Reason::CryptogramWrong),
    ("h", "seen=9", Reason::CounterReplayed),
    ("eh", "chip-amount=9999", Reason::ChipAmountDiffers),
    ("eh", "chip-cash-back=1", Reason::ChipCashBackDiffers),
    ("eh", "chip-dollars", Reason::ChipCurrencyDiffers),
    ("eh", "chip-day=1", Reason::ChipDateDiffers),
    ("eh", "chip-cash", Reason::ChipTypeDiffers),
    ("eh", "chip-offline", Reason::ChipDidNotAsk),
    ("i", "read-expiry=3001", Reason::ExpiryWrong),
    ("j", "lost", Reason::CardLost),
    ("j", "stolen", Reason::CardStolen),
    ("j", "blocked", Reason::CardBlocked),
    ("j", "closed", Reason::CardClosed),
    // a device has its own counter and its own expiry
    ("hi", "token-suspended", Reason::TokenNotActive),
    ("i", "expiry=2610 read-expiry=2610", Reason::CardExpired),
    ("k", "pin-block", Reason::PinBlockMalformed),
    ("k", "pin-bad", Reason::PinWrong),
    ("k", "pin-ok tries=3", Reason::PinTriesExceeded),
    ("el", "spent=80000", Reason::DailyLimit),
    ("e", "amount=50001", Reason::TransactionLimit),
];

#[test]
fn reasons_are_declared_in_the_order_in_which_they_are_checked() {
    let mut caused: Vec<Reason> = CAUSES.iter().map(|(.., reason)| *reason).collect();
    caused.push(Reason::FundsInsufficient);
    let declinable = Reason::ALL.iter().filter(|reason| **reason <= Reason::FundsInsufficient);
    // not of a purchase
    caused.extend([
        Reason::KindNotServed,
        Reason::PinMissing,
        Reason::RefundOverOriginal,
        Reason::TerminalRefundsExceeded,
    ]);
    let without_cause: Vec<_> = declinable.filter(|reason| !caused.contains(reason)).collect();
    assert!(without_cause.is_empty(), "nothing here brings about {without_cause:?}");

    for (i, (fact, words, reason)) in CAUSES.iter().enumerate() {
        let alone = purchase_with(words, 10_000);
        assert_eq!(alone.split(' ').nth(1), Some(format!("{reason:?}").as_str()), "{words}");
        let poor = purchase_with(&format!("{words} available=0"), 10_000);
        assert_eq!(poor.split(' ').nth(1), Some(format!("{reason:?}").as_str()), "{words}, and no funds");
        for (other_fact, other_words, other) in &CAUSES[..i] {
            if fact.chars().any(|letter| other_fact.contains(letter)) {
                continue;
            }
            let both = format!("{other_words} {words}");
            let first = (*reason).min(*other);
            let outcome = purchase_with(&both, 10_000);
            assert_eq!(outcome.split(' ').nth(1), Some(format!("{first:?}").as_str()), "{both}");
        }
    }
}

#[test]
fn reasons_are_listed_in_order() {
    assert!(Reason::ALL.is_sorted(), "ALL follows the declaration");
    assert_eq!(Reason::ALL.len(), Reason::NotServed as usize + 1, "ALL is complete");
    for reason in Reason::ALL.iter().filter(|reason| **reason <= Reason::FundsInsufficient) {
        assert!(!reason.response_code().is_approval(), "{reason:?} must not read as an approval");
    }
}

#[test]
fn a_balance_is_told_without_a_pin_only_where_the_product_allows_it() {
    let (card, account) = (card(), account(100_000));
    let strict = Rules { balance_needs_pin: true, ..RULES.clone() };
    for (rules, pin, expected) in
        [(&*RULES, Pin::Absent, "00 None"), (&strict, Pin::Absent, "55 PinMissing"), (&strict, Pin::Right, "00 None")]
    {
        let proof = Proof { pin, ..proof() };
        let facts = Facts { rules, ..facts(&proof, &card, &account) };
        assert_eq!(outcome(&request(Kind::BalanceInquiry, 0), &facts), expected, "{pin:?}");
    }
}

#[test]
fn a_kind_that_is_not_served_is_declined_and_its_advice_is_kept() {
    let (proof, card, account) = (proof(), card(), account(100_000));
    let facts = facts(&proof, &card, &account);
    let mut message = request(Kind::NotServed, 500);
    assert_eq!(outcome(&message, &facts), "57 KindNotServed");
    message.advice = true;
    assert_eq!(outcome(&message, &facts), "00 None NotServed NotServed");
}

#[test]
fn a_genuine_cryptogram_uses_its_counter_even_when_declined() {
    let proof = proof();
    assert_eq!(counter_seen(&Decision::Decline(Reason::FundsInsufficient), &proof), Some(9));
    assert_eq!(counter_seen(&Decision::Decline(Reason::AcceptorUnknown), &proof), Some(9));
    assert_eq!(counter_seen(&Decision::Repeat, &proof), None);
    assert_eq!(counter_seen(&Decision::Decline(Reason::KeyReused), &proof), None);
    let forged = Proof { cryptogram: Cryptogram::Wrong, ..proof };
    assert_eq!(counter_seen(&Decision::Decline(Reason::CryptogramWrong), &forged), None);
}

fn journalled(kind: Kind, requested: i64, approved: i64) -> Row {
    let request = request(kind, requested);
    Row {
        bucket: 3,
        idem_date: request.key.date,
        idem: request.key.original,
        auth_id: 77,
        kind,
        class: request.class,
        role: Role::OnUs,
        advice: false,
        digest: request.digest,
        pan_index: request.pan_index,
        account_id: Some(1001),
        card_id: Some(1),
        token_id: None,
        account_seq: Some(1),
        response_code: ResponseCode::APPROVED,
        reason: None,
        approval_code: ApprovalCode::new("123456"),
        requested: Minor(requested),
        approved: Minor(approved),
        currency: Currency::EUR,
        standing: None,
        transaction: None,
        icc_answer: None,
        available: None,
        link: request.link.clone(),
        acquirer: request.acquirer,
        issuer: None,
        merchant: request.merchant,
        terminal: request.terminal,
        mcc: None,
        entry_mode: None,
        stan: Stan(17),
        rrn: None,
        life_cycle: "SWY000000000001".into(),
        local_at: request.local_at,
        received_at: Timestamp::UNIX_EPOCH,
        business_date: request.business_date,
        cycle: request.business_date,
        original: None,
        hold: None,
        counted: None,
        exception: None,
        why: Vec::new(),
    }
}

#[test]
fn repeats() {
    let (proof, card, account) = (proof(), card(), account(100_000));
    let earlier = journalled(Kind::Purchase, 500, 500);
    let mut facts = facts(&proof, &card, &account);
    facts.earlier = Some(&earlier);
    assert_eq!(outcome(&request(Kind::Purchase, 500), &facts), "repeat");
    assert_eq!(outcome(&request(Kind::Purchase, 501), &facts), "94 KeyReused");
    facts.reversed = true;
    assert_eq!(outcome(&request(Kind::Purchase, 500), &facts), "05 Reversed");
    assert_eq!(outcome(&request(Kind::Purchase, 501), &facts), "94 KeyReused");
    let mut told = request(Kind::Refund, 500);
    told.advice = true;
    assert_eq!(outcome(&told, &facts), "00 None Reversed ReversedBefore", "its request was reversed, not it");
    let earlier = Row { advice: true, ..earlier.clone() };
    facts.earlier = Some(&earlier);
    assert_eq!(outcome(&told, &facts), "repeat", "an advice is acknowledged again");
    facts.earlier = None;
    assert_eq!(outcome(&request(Kind::Purchase, 500), &facts), "05 Reversed", "a tombstone stops the original");
    assert_eq!(outcome(&told, &facts), "00 None Reversed ReversedBefore");
}

#[test]
fn reversals() {
    let (proof, card, account) = (proof(), card(), account(100_000));
    let hold = |amount_minor| Hold {
        bucket: 3,
        auth_id: 77,
        account_id: 1001,
        card_id: 1,
        idem_date: date(2026, 11, 20),
        idem: request(Kind::PreAuthorization, 0).key.original,
        amount_minor,
        authorized_minor: amount_minor,
        captured_minor: 0,
        currency: Currency::EUR,
        rrn: None,
        approval_code: ApprovalCode::new("123456").unwrap(),
        life_cycle: "SWY000000000001".into(),
        merchant: None,
        state: HoldState::Open,
        expires_on: date(2026, 11, 27),
        counted_on: date(2026, 11, 20),
    };
    let undo = |original: Option<&Row>, amount, standing: Option<i64>, already_reversed, held: Option<i64>| {
        let mut request = request(Kind::Reversal, amount);
        request.replacement = standing.map(Minor);
        let hold = held.map(hold);
        let mut facts = facts(&proof, &card, &account);
        (facts.original, facts.already_reversed_minor, facts.hold) = (original, already_reversed, hold.as_ref());
        outcome(&request, &facts)
    };
    let sale = journalled(Kind::Purchase, 500, 500);
    let in_part = journalled(Kind::Purchase, 500, 300);
    let declined = journalled(Kind::Purchase, 500, 0);
    let refund = journalled(Kind::Refund, 500, 500);
    let pre_authorization = journalled(Kind::PreAuthorization, 500, 500);
    for (original, amount, standing, already_reversed, held, expected) in [
        (None, 500, None, 0, None, "00 None OriginalUnknown"),
        (Some(&declined), 500, None, 0, None, "00 None OriginalDeclined"),
        (Some(&sale), 500, None, 0, None, "00 UndoCapture { minor: 500 }"),
        (Some(&sale), 501, None, 0, None, "00 None ReversalDiffers"),
        (Some(&sale), 500, Some(200), 0, None, "00 UndoCapture { minor: 300 }"),
        (Some(&sale), 500, Some(0), 0, None, "00 UndoCapture { minor: 500 }"),
        (Some(&sale), 500, Some(600), 0, None, "00 None NothingLeft"),
        (Some(&sale), 500, None, 300, None, "00 UndoCapture { minor: 200 }"),
        (Some(&sale), 500, None, 500, None, "00 None NothingLeft"),
        (Some(&in_part), 500, None, 0, None, "00 UndoCapture { minor: 300 }"),
        (Some(&in_part), 300, None, 0, None, "00 UndoCapture { minor: 300 }"),
        (Some(&refund), 500, None, 0, None, "00 UndoRefund { minor: 500 }"),
        (Some(&pre_authorization), 500, None, 0, Some(500), "00 Release { minor: 500, hold: 77 }"),
        (Some(&pre_authorization), 500, Some(100), 0, Some(500), "00 Release { minor: 400, hold: 77 }"),
        (Some(&pre_authorization), 500, None, 0, None, "00 None NothingLeft HoldEnded"),
    ] {
        assert_eq!(
            undo(original, amount, standing, already_reversed, held),
            expected,
            "{amount} {standing:?} {already_reversed}"
        );
    }
    let other_card = Row { pan_index: Some(PanIndex([8; 32])), ..sale };
    assert_eq!(undo(Some(&other_card), 500, None, 0, None), "00 None ReversalDiffers");
}

#[test]
fn advices_are_acknowledged_whatever_they_tell() {
    let (proof, mut card, account) = (Proof::default(), card(), account(10));
    card.status = CardStatus::Closed;
    let hold = Hold {
        bucket: 3,
        auth_id: 77,
        account_id: 1001,
        card_id: 1,
        idem_date: date(2026, 11, 20),
        idem: request(Kind::PreAuthorization, 0).key.original,
        amount_minor: 400,
        authorized_minor: 400,
        captured_minor: 0,
        currency: Currency::EUR,
        rrn: None,
        approval_code: ApprovalCode::new("123456").unwrap(),
        life_cycle: "SWY000000000001".into(),
        merchant: None,
        state: HoldState::Open,
        expires_on: date(2026, 11, 27),
        counted_on: date(2026, 11, 20),
    };
    let told = |kind, amount, hold: Option<&Hold>, code: Option<&[u8; 2]>, known: bool| {
        let mut request = request(kind, amount);
        (request.advice, request.advised) = (true, code.map(|code| ResponseCode(*code)));
        let mut facts = facts(&proof, &card, &account);
        facts.hold = hold;
        if !known {
            (facts.card, facts.account) = (None, None);
        }
        outcome(&request, &facts)
    };
    for (kind, amount, hold, code, known, expected) in [
        (Kind::Completion, 400, Some(&hold), None, true, "00 Complete { minor: 400, hold: 77 }"),
        (Kind::Completion, 450, Some(&hold), None, true, "00 Complete { minor: 450, hold: 77 } CompletionOverHold"),
        (Kind::Completion, 450, None, None, true, "00 Capture { minor: 450 } CompletionWithoutHold"),
        (Kind::Completion, 450, None, None, false, "00 Capture { minor: 450 } CardUnknown"),
        (Kind::Completion, 450, Some(&hold), Some(b"51"), true, "00 Release { minor: 400, hold: 77 } AdvisedDecline"),
        (Kind::Refund, 450, None, Some(b"00"), true, "00 Refund { minor: 450 }"),
        (Kind::Refund, 450, None, Some(b"05"), true, "00 None AdvisedDecline"),
    ] {
        assert_eq!(told(kind, amount, hold, code, known), expected, "{kind:?} {code:?}");
    }
}

#[test]
fn inquiries_verifications_and_refunds() {
    let (proof, mut card, account) = (proof(), card(), account(0));
    for (kind, amount, expected) in [
        (Kind::BalanceInquiry, 0, "00 None"),
        (Kind::AccountVerification, 0, "85 None"),
        (Kind::Refund, 900_000, "00 Refund { minor: 900000 }"),
        (Kind::PreAuthorization, 1, "51 FundsInsufficient"),
    ] {
        assert_eq!(outcome(&request(kind, amount), &facts(&proof, &card, &account)), expected, "{kind:?}");
    }
    card.status = CardStatus::Closed;
    assert_eq!(outcome(&request(Kind::Refund, 5), &facts(&proof, &card, &account)), "00 Refund { minor: 5 }");
    assert_eq!(outcome(&request(Kind::BalanceInquiry, 0), &facts(&proof, &card, &account)), "14 CardClosed");
}

#[test]
fn a_refund_gives_back_what_was_captured_and_no_more() {
    let (proof, mut card, account) = (proof(), card(), account(0));
    card.status = CardStatus::Closed;
    let gives = |kind, advice, amount, left: Option<i64>, unreferenced: Option<i64>| {
        let request = Request { advice, ..request(kind, amount) };
        let facts =
            Facts { refundable_minor: left, unreferenced_left_minor: unreferenced, ..facts(&proof, &card, &account) };
        outcome(&request, &facts)
    };
    for (kind, advice, amount, left, expected) in [
        (Kind::Refund, false, 500, None, "00 Refund { minor: 500 }"),
        (Kind::Refund, false, 500, Some(500), "00 Refund { minor: 500 }"),
        (Kind::Refund, false, 501, Some(500), "61 RefundOverOriginal"),
        (Kind::Refund, false, 1, Some(0), "61 RefundOverOriginal"),
        (Kind::Refund, false, 1, Some(-5), "61 RefundOverOriginal"),
        (Kind::RefundAuthorization, false, 500, Some(500), "85 None"),
        (Kind::RefundAuthorization, false, 501, Some(500), "61 RefundOverOriginal"),
        (Kind::Refund, true, 500, Some(500), "00 Refund { minor: 500 }"),
        (Kind::Refund, true, 501, Some(500), "00 Refund { minor: 501 } RefundOverOriginal"),
    ] {
        assert_eq!(gives(kind, advice, amount, left, None), expected, "{kind:?} {advice} {amount} {left:?}");
    }
    for (advice, amount, left, expected) in [
        (false, 500, 500, "00 Refund { minor: 500 }"),
        (false, 501, 500, "61 TerminalRefundsExceeded"),
        (true, 500, 500, "00 Refund { minor: 500 } RefundUnreferenced"),
        (true, 501, 500, "00 Refund { minor: 501 } TerminalRefundsExceeded"),
    ] {
        assert_eq!(gives(Kind::Refund, advice, amount, None, Some(left)), expected, "unreferenced {advice} {amount}");
    }
    // of two matters the one is told by which the back office holds the amount
    let odd = |request: Request| {
        let facts =
            Facts { acceptor_known: false, unreferenced_left_minor: Some(500), ..facts(&proof, &card, &account) };
        outcome(&Request { advice: true, billing_disbelieved: true, ..request }, &facts)
    };
    assert_eq!(odd(request(Kind::Refund, 500)), "00 Refund { minor: 500 } RefundUnreferenced");
    assert_eq!(odd(request(Kind::Completion, 500)), "00 Capture { minor: 500 } CompletionWithoutHold");
    assert_eq!(odd(request(Kind::Purchase, 500)), "00 Capture { minor: 500 } AcceptorUnknown");
}

/// The words are in the journal of every installation. A word may be added; none may change.
#[test]
fn words_are_what_they_have_always_been() {
    let joined = |words: Vec<&str>| words.join(" ");
    assert_eq!(
        joined(Reason::ALL.iter().map(|reason| reason.as_str()).collect()),
        "KeyReused Reversed KindNotServed AcceptorUnknown CurrencyNotServed AmountMissing AmountsContradict \
         MerchantCodeTriesExceeded CardUnknown ProofMissing ChipDataOnStripe SecurityCodeTriesExceeded SecurityCodeWrong \
         CryptogramVersionUnknown CryptogramWrong CounterReplayed ChipAmountDiffers ChipCashBackDiffers \
         ChipCurrencyDiffers ChipDateDiffers ChipTypeDiffers ChipDidNotAsk ExpiryWrong CardLost CardStolen CardBlocked CardClosed TokenNotActive \
         CardExpired PinMissing PinBlockMalformed PinTriesExceeded PinWrong TransactionLimit DailyLimit \
         RefundOverOriginal TerminalRefundsExceeded FundsInsufficient AdvisedDecline OriginalUnknown OriginalDeclined NothingLeft NotServed"
    );
    assert_eq!(
        joined(Exception::ALL.iter().map(|exception| exception.as_str()).collect()),
        "completion-without-hold completion-of-unknown completion-after-release completion-of-captured reversal-differs hold-ended card-unknown acceptor-unknown currency-not-served \
         key-reused standing-raised hold-ambiguous completion-over-hold adjustment-lower not-served \
         reversed-before billing-differs refund-over-original refund-unreferenced terminal-refunds-exceeded"
    );
}
