//! The foreign issuer's accounts: its cards, their balances, its approvals and reversals.
//!
//! Pure: a request goes in as values, a verdict comes out; there is no socket and no clock here.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use codecs::value::{
    ApprovalCode, Expiry, LocalDateTime, MerchantId, Minor, MonthDay, Pan, Rrn, Stan, TerminalId, Track2,
};

use crate::card::{Card, TrackImage};
use crate::chip::{SignedRequest, approving_proof};
use crate::crypto::cryptogram::{application_cryptogram, session_key};
use crate::crypto::key::TdesKey;
use crate::secret::Digits;

/// Identifies a request: the switch's trace number on this hop, and the local time of the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey {
    pub stan: Stan,
    pub local: LocalDateTime,
}

/// The kind of a requested transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionKind {
    Purchase,
    PreAuthorization,
    Refund,
    Inquiry,
    Verification,
}

/// A request with its elements read.
#[derive(Debug)]
pub struct Request {
    pub key: RequestKey,
    pub kind: TransactionKind,
    pub pan: Pan,
    pub expiry: Option<Expiry>,
    pub amount: Minor,
    pub terminal: Option<TerminalId>,
    pub merchant: Option<MerchantId>,
    pub rrn: Option<Rrn>,
    /// Position 7 of the point-of-service data.
    pub input: Option<u8>,
    pub track: Option<Track2>,
    pub chip: Option<SignedRequest>,
    pub security_code: Option<Digits>,
    /// Result of checking the PIN in the request.
    pub pin: PinCheck,
    /// The business month: cards expire at its end.
    pub today: MonthDay,
    pub year: u8,
}

/// Result of checking a PIN block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinCheck {
    NotGiven,
    Right,
    Wrong,
    /// The deciphered block is no PIN block: the two sides have different keys.
    Unreadable,
}

/// Action codes of 1993 that this issuer uses.
pub mod action {
    pub const APPROVED: u16 = 0;
    pub const EXPIRED: u16 = 101;
    pub const CARD_UNKNOWN: u16 = 111;
    pub const FUNDS: u16 = 116;
    pub const PIN_WRONG: u16 = 117;
    pub const PIN_BLOCK: u16 = 126;
    pub const COUNTERFEIT: u16 = 129;
    pub const REVERSED: u16 = 400;
    pub const NETWORK_DONE: u16 = 800;
    pub const ADVICE_TAKEN: u16 = 900;
    pub const FORMAT_ERROR: u16 = 904;
    pub const DUPLICATE: u16 = 913;
}

/// The decision on a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub action: u16,
    pub approval: Option<ApprovalCode>,
    /// Proof for the chip, with an approval alone.
    pub proof: Option<[u8; 8]>,
    /// For an inquiry.
    pub balance: Option<Minor>,
}

/// The issuer's record of one approval.
#[derive(Clone, Debug)]
pub struct ApprovalRecord {
    pub key: RequestKey,
    pub kind: TransactionKind,
    pub pan_masked: String,
    pub terminal: Option<TerminalId>,
    pub merchant: Option<MerchantId>,
    pub rrn: Option<Rrn>,
    pub approval: ApprovalCode,
    pub amount: Minor,
    /// For a completed pre-authorization: the captured amount.
    pub captured: Option<Minor>,
    pub reversed: bool,
    account: usize,
}

impl ApprovalRecord {
    /// The amount taken from the cardholder, in minor units; negative if it was given back.
    #[must_use]
    pub fn moved(&self) -> i64 {
        match (self.reversed, self.kind) {
            (true, _) | (_, TransactionKind::Inquiry | TransactionKind::Verification) => 0,
            (false, TransactionKind::Refund) => -self.amount.0,
            (false, TransactionKind::PreAuthorization) => self.captured.map_or(0, |captured| captured.0),
            (false, TransactionKind::Purchase) => self.amount.0,
        }
    }
}

#[derive(Debug)]
struct Account {
    card: Arc<Card>,
    key: TdesKey,
    available: Minor,
    counters_seen: HashSet<u16>,
}

/// All accounts, approvals and decisions of the issuer.
#[derive(Debug, Default)]
pub struct Accounts {
    accounts: Vec<Account>,
    by_number: HashMap<Pan, usize>,
    approvals: Vec<ApprovalRecord>,
    /// Past answers, for repeats; and reversals that came before their original.
    decided: HashMap<RequestKey, PastDecision>,
    approval_count: u32,
}

#[derive(Clone, Debug)]
enum PastDecision {
    Answered { amount: Minor, verdict: Verdict, entry: Option<usize> },
    ReversedUnseen,
}

impl Accounts {
    /// Opens an account for a card of this issuer, with the chip's key.
    pub fn open(&mut self, card: Arc<Card>, key: TdesKey) {
        self.by_number.insert(card.pan.clone(), self.accounts.len());
        let available = card.opening_balance;
        self.accounts.push(Account { card, key, available, counters_seen: HashSet::new() });
    }

    /// The card with this number.
    #[must_use]
    pub fn card(&self, pan: &Pan) -> Option<&Arc<Card>> {
        self.by_number.get(pan).map(|at| &self.accounts[*at].card)
    }

    /// The available balance of a card.
    #[must_use]
    pub fn available(&self, pan: &Pan) -> Option<Minor> {
        self.by_number.get(pan).map(|at| self.accounts[*at].available)
    }

    /// All approvals, in order.
    #[must_use]
    pub fn approvals(&self) -> &[ApprovalRecord] {
        &self.approvals
    }

    /// Decides a request; a repeat gets the earlier decision again.
    pub fn authorize(&mut self, request: &Request) -> Verdict {
        match self.decided.get(&request.key) {
            Some(PastDecision::Answered { amount, verdict, .. }) if *amount == request.amount => {
                return verdict.clone();
            }
            Some(PastDecision::Answered { .. }) => return decline(action::DUPLICATE),
            // its reversal came first: it must not be approved now
            Some(PastDecision::ReversedUnseen) => return decline(action::DUPLICATE),
            None => {}
        }
        let (verdict, entry) = match self.examine(request) {
            Ok(account) => self.approve(request, account),
            Err(code) => (decline(code), None),
        };
        let decided = PastDecision::Answered { amount: request.amount, verdict: verdict.clone(), entry };
        self.decided.insert(request.key, decided);
        verdict
    }

    /// Authenticity, then the card's state, then the PIN, then money: a PIN means nothing on a counterfeit card.
    fn examine(&mut self, request: &Request) -> Result<usize, u16> {
        let at = *self.by_number.get(&request.pan).ok_or(action::CARD_UNKNOWN)?;
        let account = &mut self.accounts[at];
        if !account.is_authentic(request) {
            return Err(action::COUNTERFEIT);
        }
        let expiry = account.card.expiry;
        if request.kind != TransactionKind::Refund && (expiry.year, expiry.month) < (request.year, request.today.month)
        {
            return Err(action::EXPIRED);
        }
        match request.pin {
            PinCheck::Wrong => return Err(action::PIN_WRONG),
            PinCheck::Unreadable => return Err(action::PIN_BLOCK),
            PinCheck::NotGiven | PinCheck::Right => {}
        }
        let spends = matches!(request.kind, TransactionKind::Purchase | TransactionKind::PreAuthorization);
        if spends && request.amount > account.available { Err(action::FUNDS) } else { Ok(at) }
    }

    fn approve(&mut self, request: &Request, at: usize) -> (Verdict, Option<usize>) {
        self.approval_count += 1;
        let approval = ApprovalCode::new(&format!("F{:05}", self.approval_count % 100_000)).expect("six characters");
        let account = &mut self.accounts[at];
        match request.kind {
            TransactionKind::Purchase | TransactionKind::PreAuthorization => account.available.0 -= request.amount.0,
            TransactionKind::Refund => account.available.0 += request.amount.0,
            TransactionKind::Inquiry | TransactionKind::Verification => {}
        }
        let proof = request
            .chip
            .as_ref()
            .map(|chip| approving_proof(&session_key(&account.key, chip.counter), chip.cryptogram));
        let balance = (request.kind == TransactionKind::Inquiry).then_some(account.available);
        let pan_masked = account.card.pan.masked();
        self.approvals.push(ApprovalRecord {
            key: request.key,
            kind: request.kind,
            pan_masked,
            terminal: request.terminal,
            merchant: request.merchant,
            rrn: request.rrn,
            approval,
            amount: request.amount,
            captured: None,
            reversed: false,
            account: at,
        });
        let verdict = Verdict { action: action::APPROVED, approval: Some(approval), proof, balance };
        (verdict, Some(self.approvals.len() - 1))
    }

    /// Reverses the request with this key. An unknown key is remembered, so that the request is refused if it still comes.
    /// Returns whether an approval was reversed.
    pub fn reverse(&mut self, original: RequestKey) -> bool {
        match self.decided.get(&original) {
            Some(PastDecision::Answered { entry: Some(entry), .. }) => {
                let entry = &mut self.approvals[*entry];
                let moved =
                    if entry.kind == TransactionKind::PreAuthorization && entry.captured.is_none() && !entry.reversed {
                        entry.amount.0
                    } else {
                        entry.moved()
                    };
                let first = !entry.reversed;
                entry.reversed = true;
                self.accounts[entry.account].available.0 += if first { moved } else { 0 };
                first
            }
            Some(_) => false,
            None => {
                self.decided.insert(original, PastDecision::ReversedUnseen);
                false
            }
        }
    }

    /// Captures a pre-authorization that is named by its approval code; without one the amount is forced onto the card.
    pub fn complete(&mut self, key: RequestKey, pan: &Pan, approval: Option<ApprovalCode>, amount: Minor) {
        if self.decided.contains_key(&key) {
            return;
        }
        let held = self.approvals.iter().position(|entry| {
            entry.kind == TransactionKind::PreAuthorization
                && entry.captured.is_none()
                && !entry.reversed
                && Some(entry.approval) == approval
        });
        let entry = match (held, self.by_number.get(pan)) {
            (Some(held), _) => {
                let entry = &mut self.approvals[held];
                self.accounts[entry.account].available.0 += entry.amount.0 - amount.0;
                entry.captured = Some(amount);
                Some(held)
            }
            (None, Some(at)) => {
                // completions may overdraw: the goods have been handed over
                self.accounts[*at].available.0 -= amount.0;
                None
            }
            (None, None) => None,
        };
        let verdict = Verdict { action: action::ADVICE_TAKEN, approval, proof: None, balance: None };
        self.decided.insert(key, PastDecision::Answered { amount, verdict, entry });
    }
}

impl Account {
    fn is_authentic(&mut self, request: &Request) -> bool {
        let track_is = |image| request.track.as_ref().is_none_or(|track| *track == self.card.track(image));
        match request.input {
            Some(b'2') => request.track.is_some() && track_is(TrackImage::Stripe),
            Some(b'5' | b'M') => {
                let Some(chip) = &request.chip else { return false };
                let session = session_key(&self.key, chip.counter);
                if !track_is(TrackImage::Chip) || application_cryptogram(&session, &chip.input) != chip.cryptogram {
                    return false;
                }
                self.counters_seen.insert(chip.counter)
            }
            _ => request.security_code.as_ref().is_none_or(|code| *code == self.card.printed_code),
        }
    }
}

fn decline(action: u16) -> Verdict {
    Verdict { action, approval: None, proof: None, balance: None }
}

#[cfg(test)]
mod tests {
    use codecs::value::{Currency, LocalTime};

    use super::*;
    use crate::chip::{Chip, TerminalData, read_signed};

    const TODAY: MonthDay = MonthDay { month: 11, day: 20 };

    fn key(stan: u32) -> RequestKey {
        let time = LocalTime { hour: 10, minute: 0, second: 0 };
        RequestKey { stan: Stan(stan), local: LocalDateTime { year: 26, date: TODAY, time } }
    }

    fn accounts_of(balance: i64) -> (Accounts, Arc<Card>) {
        let digits = |text| Digits::new(text).unwrap();
        let udk = TdesKey::new(*b"a chip's own key");
        let card = Arc::new(Card {
            pan: Pan::from_digits(b"5100510000000016").unwrap(),
            expiry: Expiry { year: 28, month: 12 },
            sequence: 1,
            service_code: digits("201"),
            pin: digits("1234"),
            cvv: digits("111"),
            icvv: digits("222"),
            printed_code: digits("333"),
            chip: Chip::new(udk.clone()),
            note: "foreign".into(),
            opening_balance: Minor(balance),
            currency: Currency::EUR,
        });
        let mut accounts = Accounts::default();
        accounts.open(Arc::clone(&card), udk);
        (accounts, card)
    }

    fn keyed(card: &Card, stan: u32, amount: i64) -> Request {
        Request {
            key: key(stan),
            kind: TransactionKind::Purchase,
            pan: card.pan.clone(),
            expiry: Some(card.expiry),
            amount: Minor(amount),
            terminal: None,
            merchant: None,
            rrn: None,
            input: Some(b'6'),
            track: None,
            chip: None,
            security_code: Digits::new("333"),
            pin: PinCheck::NotGiven,
            today: TODAY,
            year: 26,
        }
    }

    fn left(accounts: &Accounts, card: &Card) -> i64 {
        accounts.available(&card.pan).unwrap().0
    }

    #[test]
    fn money_moves_once_however_often_it_is_asked() {
        let (mut accounts, card) = accounts_of(1000);
        let first = accounts.authorize(&keyed(&card, 1, 600));
        assert_eq!(first.action, action::APPROVED);
        assert_eq!(accounts.authorize(&keyed(&card, 1, 600)), first);
        assert_eq!(accounts.authorize(&keyed(&card, 1, 100)).action, action::DUPLICATE);
        assert_eq!(left(&accounts, &card), 400);
        assert_eq!(accounts.authorize(&keyed(&card, 2, 600)).action, action::FUNDS);
    }

    #[test]
    fn a_reversal_gives_back_once_and_a_reversed_original_stays_refused() {
        let (mut accounts, card) = accounts_of(1000);
        accounts.authorize(&keyed(&card, 1, 600));
        assert!(accounts.reverse(key(1)));
        assert!(!accounts.reverse(key(1)));
        assert_eq!(left(&accounts, &card), 1000);
        assert!(!accounts.reverse(key(2)));
        assert_eq!(accounts.authorize(&keyed(&card, 2, 100)).action, action::DUPLICATE);
        assert_eq!(accounts.approvals().iter().map(ApprovalRecord::moved).sum::<i64>(), 0);
    }

    #[test]
    fn a_completion_settles_its_own_amount() {
        let (mut accounts, card) = accounts_of(1000);
        let hold = accounts.authorize(&Request { kind: TransactionKind::PreAuthorization, ..keyed(&card, 1, 700) });
        assert_eq!(left(&accounts, &card), 300);
        accounts.complete(key(2), &card.pan, hold.approval, Minor(450));
        accounts.complete(key(2), &card.pan, hold.approval, Minor(450));
        assert_eq!(left(&accounts, &card), 550);
        assert_eq!(accounts.approvals()[0].moved(), 450);
    }

    #[test]
    fn counterfeits_are_refused_before_anything_else() {
        let (mut accounts, card) = accounts_of(1000);
        let wrong_code = Request { security_code: Digits::new("334"), ..keyed(&card, 1, 100) };
        assert_eq!(accounts.authorize(&wrong_code).action, action::COUNTERFEIT);
        let skimmed = Request { input: Some(b'2'), track: Some(card.track(TrackImage::Chip)), ..keyed(&card, 2, 100) };
        assert_eq!(accounts.authorize(&skimmed).action, action::COUNTERFEIT);
        let stripe = Request { input: Some(b'2'), track: Some(card.track(TrackImage::Stripe)), ..keyed(&card, 3, 100) };
        assert_eq!(accounts.authorize(&stripe).action, action::APPROVED);
        let wrong_pin = Request { pin: PinCheck::Wrong, ..keyed(&card, 4, 100) };
        assert_eq!(accounts.authorize(&wrong_pin).action, action::PIN_WRONG);
    }

    #[test]
    fn a_cryptogram_is_good_once_and_its_answer_satisfies_the_chip() {
        let (mut accounts, card) = accounts_of(1000);
        let signed = card.chip.sign(&TerminalData {
            amount: Minor(100),
            currency: Currency::EUR,
            country: 528,
            date: codecs::value::YearMonthDay { year: 26, date: TODAY },
            transaction: 0,
            online_pin: false,
            unpredictable: [9; 4],
        });
        let request = |stan| Request {
            input: Some(b'5'),
            track: Some(card.track(TrackImage::Chip)),
            chip: read_signed(signed.element()),
            ..keyed(&card, stan, 100)
        };
        let verdict = accounts.authorize(&request(1));
        let mut answer = Vec::new();
        codecs::tlv::write(crate::chip::tag::ISSUER_AUTHENTICATION, &verdict.proof.unwrap(), &mut answer);
        let genuine = crate::chip::IssuerAuthentication::Genuine { approves: true };
        assert_eq!(signed.check(Some(&answer)), genuine);
        assert_eq!(accounts.authorize(&request(2)).action, action::COUNTERFEIT);
    }
}
