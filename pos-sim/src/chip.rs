//! The chip of a card or wallet: it counts its transactions, signs each with a cryptogram over the terminal's data, and checks
//! that an answer comes from its own issuer.

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};

use codecs::tlv;
use codecs::value::{Currency, Minor, YearMonthDay};

use crate::crypto::TdesKey;
use crate::crypto::cryptogram::{application_cryptogram, response_cryptogram, session_key};

/// Tags by their EMV numbers (book 3, annex A).
pub mod tag {
    pub const APPLICATION_ID: u32 = 0x84;
    pub const INTERCHANGE_PROFILE: u32 = 0x82;
    pub const ISSUER_AUTHENTICATION: u32 = 0x91;
    pub const VERIFICATION_RESULTS: u32 = 0x95;
    pub const DATE: u32 = 0x9A;
    pub const TRANSACTION_TYPE: u32 = 0x9C;
    pub const CURRENCY: u32 = 0x5F2A;
    pub const AMOUNT: u32 = 0x9F02;
    pub const OTHER_AMOUNT: u32 = 0x9F03;
    pub const ISSUER_APPLICATION_DATA: u32 = 0x9F10;
    pub const TERMINAL_COUNTRY: u32 = 0x9F1A;
    pub const CRYPTOGRAM: u32 = 0x9F26;
    pub const CRYPTOGRAM_INFORMATION: u32 = 0x9F27;
    pub const TERMINAL_CAPABILITIES: u32 = 0x9F33;
    pub const CARDHOLDER_VERIFICATION: u32 = 0x9F34;
    pub const TERMINAL_TYPE: u32 = 0x9F35;
    pub const COUNTER: u32 = 0x9F36;
    pub const UNPREDICTABLE_NUMBER: u32 = 0x9F37;
}

/// The terminal's data on the transaction, for the chip.
#[derive(Clone, Copy, Debug)]
pub struct TerminalData {
    pub amount: Minor,
    pub currency: Currency,
    /// ISO 3166 number of the terminal's country.
    pub country: u16,
    pub date: YearMonthDay,
    /// First two digits of the processing code.
    pub transaction: u8,
    /// Whether the PIN goes online to the issuer.
    pub online_pin: bool,
    pub unpredictable: [u8; 4],
}

/// The chip itself.
pub struct Chip {
    key: TdesKey,
    counter: AtomicU16,
    /// The last cryptogram, for a replay.
    last: Mutex<Option<Cryptogram>>,
}

/// An application identifier from the range that anyone may use without registration.
pub const APPLICATION_ID: [u8; 7] = [0xF0, 0x00, 0x00, 0x85, 0x83, 0x00, 0x01];
/// Above this a chip counts as worn out: requests under way must not overflow its sixteen-bit counter.
const LAST_COUNTER: u16 = 65_000;
const INTERCHANGE_PROFILE: [u8; 2] = [0x1C, 0x00];
/// Length, key index 01, cryptogram version 18 (hexadecimal 12), then the card's verification results.
const ISSUER_APPLICATION_DATA: [u8; 7] = [0x06, 0x01, 0x12, 0x03, 0xA0, 0x00, 0x00];
/// The cryptogram asks the issuer to decide.
const ASKS_ONLINE: u8 = 0x80;

impl Chip {
    #[must_use]
    pub fn new(key: TdesKey) -> Self {
        Self { key, counter: AtomicU16::new(0), last: Mutex::new(None) }
    }

    /// Continues from a higher counter, for a card that was used elsewhere before.
    pub fn continue_from(&self, counter: u16) {
        self.counter.fetch_max(counter, Ordering::Relaxed);
    }

    /// How many transactions it has signed.
    #[must_use]
    pub fn counter(&self) -> u16 {
        self.counter.load(Ordering::Relaxed)
    }

    /// Whether its counter is about to run out, after which a chip never signs again.
    #[must_use]
    pub fn is_worn_out(&self) -> bool {
        self.counter() > LAST_COUNTER
    }

    /// Signs a transaction and counts it.
    pub fn sign(&self, terminal: &TerminalData) -> Cryptogram {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let session = session_key(&self.key, counter);
        let signed = signed_tags(terminal, counter);
        let input: Vec<u8> = signed.iter().flat_map(|(_, value)| value.iter().copied()).collect();
        let value = application_cryptogram(&session, &input);
        let cryptogram = Cryptogram { element: element(terminal, &signed, value), value, counter, session };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(cryptogram.clone());
        cryptogram
    }

    /// The last cryptogram once more, as in a replay attack; `None` before the first.
    pub fn replay(&self) -> Option<Cryptogram> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Chip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chip(counter {})", self.counter())
    }
}

/// The tags under the cryptogram, in the order in which it covers them; issuer application data is last and whole.
fn signed_tags(t: &TerminalData, counter: u16) -> Vec<(u32, Vec<u8>)> {
    // byte 3, bit 3: online PIN entered
    let results = [0, 0, if t.online_pin { 0x04 } else { 0 }, 0, 0];
    let date = [t.date.year, t.date.date.month, t.date.date.day].map(|n| bcd(u64::from(n), 1)[0]);
    vec![
        (tag::AMOUNT, bcd(t.amount.0.unsigned_abs(), 6)),
        (tag::OTHER_AMOUNT, bcd(0, 6)),
        (tag::TERMINAL_COUNTRY, bcd(u64::from(t.country), 2)),
        (tag::VERIFICATION_RESULTS, results.to_vec()),
        (tag::CURRENCY, bcd(u64::from(t.currency.number()), 2)),
        (tag::DATE, date.to_vec()),
        (tag::TRANSACTION_TYPE, bcd(u64::from(t.transaction), 1)),
        (tag::UNPREDICTABLE_NUMBER, t.unpredictable.to_vec()),
        (tag::INTERCHANGE_PROFILE, INTERCHANGE_PROFILE.to_vec()),
        (tag::COUNTER, counter.to_be_bytes().to_vec()),
        (tag::ISSUER_APPLICATION_DATA, ISSUER_APPLICATION_DATA.to_vec()),
    ]
}

fn element(terminal: &TerminalData, signed: &[(u32, Vec<u8>)], cryptogram: [u8; 8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    let mut put = |tag, value: &[u8]| {
        let fits = tlv::write(tag, value, &mut out);
        debug_assert!(fits, "chip values have a few bytes each");
    };
    for (tag, value) in signed {
        put(*tag, value);
    }
    put(tag::CRYPTOGRAM, &cryptogram);
    put(tag::CRYPTOGRAM_INFORMATION, &[ASKS_ONLINE]);
    put(tag::APPLICATION_ID, &APPLICATION_ID);
    put(tag::TERMINAL_CAPABILITIES, &[0xE0, 0x48, 0xC8]);
    // enciphered PIN online, or no verification; always; not known to have succeeded
    put(tag::CARDHOLDER_VERIFICATION, &[if terminal.online_pin { 0x02 } else { 0x1F }, 0x00, 0x00]);
    put(tag::TERMINAL_TYPE, &[0x22]);
    out
}

fn bcd(mut value: u64, bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    for byte in out.iter_mut().rev() {
        *byte = (value / 10 % 10) as u8 * 16 + (value % 10) as u8;
        value /= 100;
    }
    out
}

/// A signed transaction: the content of the chip data element, and the session key that checks the answer.
#[derive(Clone)]
pub struct Cryptogram {
    element: Vec<u8>,
    value: [u8; 8],
    counter: u16,
    session: TdesKey,
}

impl Cryptogram {
    /// The tags as the message carries them.
    #[must_use]
    pub fn element(&self) -> &[u8] {
        &self.element
    }

    #[must_use]
    pub fn value(&self) -> [u8; 8] {
        self.value
    }

    /// The application transaction counter it was made with.
    #[must_use]
    pub fn counter(&self) -> u16 {
        self.counter
    }

    /// The chip's verdict on the issuer data of an answer.
    #[must_use]
    pub fn check(&self, answer: Option<&[u8]>) -> IssuerAuthentication {
        let Some(content) = answer else { return IssuerAuthentication::Absent };
        match tlv::find(content, tag::ISSUER_AUTHENTICATION) {
            Ok(Some(data)) => self.check_data(data),
            Ok(None) => IssuerAuthentication::Absent,
            Err(_) => IssuerAuthentication::Wrong,
        }
    }

    fn check_data(&self, data: &[u8]) -> IssuerAuthentication {
        let Some((proof, rest)) = data.split_at_checked(4) else { return IssuerAuthentication::Wrong };
        let Some((status, proprietary)) = rest.split_at_checked(4) else { return IssuerAuthentication::Wrong };
        let status = [status[0], status[1], status[2], status[3]];
        if proof == response_cryptogram(&self.session, self.value, status, proprietary) {
            // byte 2, bit 8: the issuer approves the online transaction
            IssuerAuthentication::Genuine { approves: status[1] & 0x80 != 0 }
        } else {
            IssuerAuthentication::Wrong
        }
    }
}

impl fmt::Debug for Cryptogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cryptogram(counter {})", self.counter)
    }
}

/// The chip's verdict on an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuerAuthentication {
    /// The answer had no issuer authentication data, as with a decline.
    Absent,
    /// The issuer made it for this transaction.
    Genuine { approves: bool },
    /// It was made by somebody else, or for another transaction.
    Wrong,
}

impl fmt::Display for IssuerAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "no proof",
            Self::Genuine { approves: true } => "genuine, approves",
            Self::Genuine { approves: false } => "genuine, does not approve",
            Self::Wrong => "not its issuer's",
        })
    }
}

/// The proof that an issuer sends back with an approval: cryptogram and card status update.
#[must_use]
pub(crate) fn approving_proof(session: &TdesKey, cryptogram: [u8; 8]) -> [u8; 8] {
    let status = [0x00, 0x80, 0x00, 0x00];
    let proof = response_cryptogram(session, cryptogram, status, &[]);
    let mut data = [0; 8];
    data[..4].copy_from_slice(&proof);
    data[4..].copy_from_slice(&status);
    data
}

/// The chip data of a request that the issuer needs.
#[derive(Debug)]
pub struct SignedRequest {
    pub counter: u16,
    pub cryptogram: [u8; 8],
    pub input: Vec<u8>,
}

/// Reads the signed tags out of a request; `None` if one is missing.
pub(crate) fn read_signed(content: &[u8]) -> Option<SignedRequest> {
    let find = |tag| tlv::find(content, tag).ok().flatten();
    let covered = [
        tag::AMOUNT,
        tag::OTHER_AMOUNT,
        tag::TERMINAL_COUNTRY,
        tag::VERIFICATION_RESULTS,
        tag::CURRENCY,
        tag::DATE,
        tag::TRANSACTION_TYPE,
        tag::UNPREDICTABLE_NUMBER,
        tag::INTERCHANGE_PROFILE,
        tag::COUNTER,
        tag::ISSUER_APPLICATION_DATA,
    ];
    let mut input = Vec::with_capacity(48);
    for tag in covered {
        input.extend_from_slice(find(tag)?);
    }
    let counter = <[u8; 2]>::try_from(find(tag::COUNTER)?).ok()?;
    let cryptogram = <[u8; 8]>::try_from(find(tag::CRYPTOGRAM)?).ok()?;
    Some(SignedRequest { counter: u16::from_be_bytes(counter), cryptogram, input })
}

#[cfg(test)]
mod tests {
    use codecs::value::MonthDay;

    use super::*;

    fn terminal(amount: i64) -> TerminalData {
        TerminalData {
            amount: Minor(amount),
            currency: Currency::EUR,
            country: 528,
            date: YearMonthDay { year: 26, date: MonthDay::new(11, 20).unwrap() },
            transaction: 0,
            online_pin: true,
            unpredictable: [1, 2, 3, 4],
        }
    }

    fn chip() -> (Chip, TdesKey) {
        let key = TdesKey::new(*b"0123456789abcdef");
        (Chip::new(key.clone()), key)
    }

    #[test]
    fn an_issuer_with_the_same_key_verifies_and_its_answer_satisfies_the_chip() {
        let (chip, key) = chip();
        let signed = chip.sign(&terminal(1999));
        let request = read_signed(signed.element()).unwrap();
        assert_eq!(request.counter, 1);
        let session = session_key(&key, request.counter);
        assert_eq!(application_cryptogram(&session, &request.input), request.cryptogram);
        let mut answer = Vec::new();
        tlv::write(tag::ISSUER_AUTHENTICATION, &approving_proof(&session, request.cryptogram), &mut answer);
        assert_eq!(signed.check(Some(&answer)), IssuerAuthentication::Genuine { approves: true });
    }

    #[test]
    fn any_other_answer_is_noticed() {
        let (chip, key) = chip();
        let first = chip.sign(&terminal(1999));
        let second = chip.sign(&terminal(1999));
        let mut answer = Vec::new();
        let proof = approving_proof(&session_key(&key, first.counter()), first.value());
        tlv::write(tag::ISSUER_AUTHENTICATION, &proof, &mut answer);
        assert_eq!(first.check(Some(&answer)), IssuerAuthentication::Genuine { approves: true });
        assert_eq!(second.check(Some(&answer)), IssuerAuthentication::Wrong);
        assert_eq!(second.check(None), IssuerAuthentication::Absent);
        // another status than the signed one
        *answer.last_mut().unwrap() ^= 1;
        assert_eq!(first.check(Some(&answer)), IssuerAuthentication::Wrong);
        answer.pop();
        assert_eq!(first.check(Some(&answer)), IssuerAuthentication::Wrong);
    }

    #[test]
    fn each_transaction_has_its_own_counter_and_a_replay_has_not() {
        let (chip, _) = chip();
        assert!(chip.replay().is_none());
        let first = chip.sign(&terminal(5));
        let second = chip.sign(&terminal(5));
        assert_eq!((first.counter(), second.counter()), (1, 2));
        assert_ne!(first.value(), second.value());
        assert_eq!(chip.replay().unwrap().element(), second.element());
    }
}
