//! Idempotency key of a request: fields that its originator sent, which the switch carries unchanged. Pure: today's
//! date is an argument.
//!
//! A reversal carries the key of its original, so the terminal's own reversal and the one that the switch owes become
//! one row. The STAN alone is never a key: it wraps around. An authorization and a sale may share an originator's key,
//! so the message class is part of the journal's.

use std::fmt;

use codecs::originator::{KeyClass, NamedKey, NotAKey, OriginatorKey};
use codecs::value::{Currency, Minor, Stan};
use hsm::PanIndex;
use jiff::civil::{Date, DateTime, Time};
use sha2::{Digest, Sha256};

/// Key of a journal row: the first 16 bytes of a SHA-256 over a marker and the originator's key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JournalKey(pub [u8; 16]);

impl JournalKey {
    /// Key of an account's opening balance, made from the account number: there is no originator.
    #[must_use]
    pub fn of_opening(account_id: i64) -> Self {
        let hash = Sha256::new().chain_update(b"opening").chain_update(account_id.to_be_bytes()).finalize();
        Self(first_16(&hash))
    }
}

impl fmt::Debug for JournalKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An originator's key, parsed, with the parts that the journal stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedOriginatorKey {
    key: OriginatorKey,
    class: Option<KeyClass>,
    stan: Stan,
    local_at: DateTime,
}

/// Why an originator's key cannot be stored in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Parts(#[from] NotAKey),
    #[error("the trace number of an originator key is up to six digits")]
    Stan,
    #[error("the local time of an originator key is hhmmss and MMDD")]
    LocalTime,
}

impl DatedOriginatorKey {
    /// Parses `text`. Its date has no year: the year that brings it nearest to `today` is taken.
    pub fn parse(text: &str, today: Date) -> Result<Self, KeyError> {
        let NamedKey { key, class } = NamedKey::parse(text)?;
        let stan = key.stan().filter(|stan| stan.0 <= 999_999).ok_or(KeyError::Stan)?;
        let local_at = local_time(&key, today).ok_or(KeyError::LocalTime)?;
        Ok(Self { key, class, stan, local_at })
    }

    /// A key without a local time, as of a message that has none: it is kept under `today`.
    pub fn without_time(text: &str, today: Date) -> Result<Self, KeyError> {
        let NamedKey { key, class } = NamedKey::parse(text)?;
        let stan = key.stan().filter(|stan| stan.0 <= 999_999).ok_or(KeyError::Stan)?;
        Ok(Self { key, class, stan, local_at: today.to_datetime(Time::midnight()) })
    }

    /// Name of the switch's link on which the request came in.
    #[must_use]
    pub fn link(&self) -> &str {
        self.key.link()
    }

    /// The class that the key names.
    #[must_use]
    pub const fn class(&self) -> Option<KeyClass> {
        self.class
    }

    /// The originator's trace number (DE11).
    #[must_use]
    pub const fn stan(&self) -> Stan {
        self.stan
    }

    /// The originator's local date and time (DE12, DE13), with the year.
    #[must_use]
    pub const fn local_at(&self) -> DateTime {
        self.local_at
    }

    /// The date by which the journal is partitioned: the local date in the key, not the day of arrival.
    #[must_use]
    pub fn date(&self) -> Date {
        self.local_at.date()
    }

    /// The journal keys of a request of this class with this key.
    #[must_use]
    pub fn of_class(&self, class: KeyClass) -> RequestKey {
        let of = |marker: u8| digest([&[marker][..], self.key.as_str().as_bytes()]);
        let (original, reversal) = match class {
            KeyClass::Financial => (b'O', b'R'),
            KeyClass::Authorization => (b'o', b'r'),
        };
        RequestKey { date: self.date(), class, original: of(original), reversal: of(reversal) }
    }
}

/// The journal keys of a request: of its own row and of the rows that can follow from it. An authorization and a sale
/// with the same originator's key have different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestKey {
    pub date: Date,
    pub class: KeyClass,
    /// The request itself.
    pub original: JournalKey,
    /// Its full reversal.
    pub reversal: JournalKey,
}

impl RequestKey {
    /// The partial reversal that leaves this amount standing.
    #[must_use]
    pub fn partial(&self, standing: Minor) -> JournalKey {
        digest([&b"p"[..], &self.original.0, &standing.0.to_be_bytes()])
    }
}

impl JournalKey {
    /// Key of a message that came under this key, which another message with other content has.
    #[must_use]
    pub fn with_other_content(&self, content: &ContentDigest) -> Self {
        digest([&b"x"[..], &self.0, &content.0])
    }
}

fn digest<const N: usize>(parts: [&[u8]; N]) -> JournalKey {
    JournalKey(first_16(&parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize()))
}

/// Digest of what must be equal in a repeat: PAN, amount, currency, processing code. PIN blocks, MACs and transmission
/// times differ between repeats and are left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ContentDigest(pub [u8; 16]);

impl ContentDigest {
    #[must_use]
    pub fn of(pan_index: Option<&PanIndex>, amount: Minor, currency: Currency, processing_code: &str) -> Self {
        let hash = Sha256::new()
            .chain_update(pan_index.map_or(&[][..], |index| &index.0[..]))
            .chain_update(amount.0.to_be_bytes())
            .chain_update(currency.number().to_be_bytes())
            .chain_update(processing_code.as_bytes())
            .finalize();
        Self(first_16(&hash))
    }
}

fn first_16(hash: &[u8]) -> [u8; 16] {
    hash[..16].try_into().expect("a SHA-256 has 32 bytes")
}

fn local_time(key: &OriginatorKey, today: Date) -> Option<DateTime> {
    let (time, date) = (key.time()?, key.date()?);
    let part = |number: u8| i8::try_from(number).ok();
    let time = Time::new(part(time.hour)?, part(time.minute)?, part(time.second)?, 0).ok()?;
    nearest_year(part(date.month)?, part(date.day)?, today).map(|date| date.to_datetime(time))
}

/// The date with this month and day that is nearest to `today`: dates in these messages have no year.
#[must_use]
pub fn nearest_year(month: i8, day: i8, today: Date) -> Option<Date> {
    (today.year() - 1..=today.year() + 1)
        .filter_map(|year| Date::new(year, month, day).ok())
        .min_by_key(|date| today.duration_until(*date).abs())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::journal::hex;

    #[test]
    fn the_year_is_the_nearest() {
        for (month, day, today, year) in [
            (12, 31, date(2027, 1, 1), 2026),
            (1, 1, date(2026, 12, 31), 2027),
            (6, 30, date(2026, 7, 1), 2026),
            (2, 29, date(2027, 12, 1), 2028),
        ] {
            assert_eq!(nearest_year(month, day, today).map(Date::year), Some(year), "{month}-{day} seen on {today}");
        }
        assert_eq!(nearest_year(2, 30, date(2026, 3, 1)), None);
    }

    #[test]
    fn a_repeat_after_new_year_has_the_same_key() {
        let text = "terminals|T0000001|SWYD00000000001|000017|235959|1231";
        let before = DatedOriginatorKey::parse(text, date(2026, 12, 31)).unwrap();
        let after = DatedOriginatorKey::parse(text, date(2027, 1, 1)).unwrap();
        assert_eq!(before, after);
        assert_eq!((before.link(), before.stan()), ("terminals", Stan(17)));
    }

    #[test]
    fn the_rows_of_a_key_and_of_its_classes_are_apart() {
        let key = DatedOriginatorKey::parse("a|T|M|000001|101010|0601", date(2026, 6, 1)).unwrap();
        let mut keys = Vec::new();
        for class in [KeyClass::Authorization, KeyClass::Financial] {
            let rows = key.of_class(class);
            let other = ContentDigest::of(None, Minor(1), Currency::EUR, "000000");
            keys.extend([rows.original, rows.reversal, rows.partial(Minor(1)), rows.partial(Minor(2))]);
            keys.push(rows.original.with_other_content(&other));
        }
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    /// Rows outlive the program: a repeat that comes after an upgrade must meet its original.
    #[test]
    fn sales_have_the_keys_that_they_have_always_had() {
        let key = DatedOriginatorKey::parse("a|T|M|000001|101010|0601", date(2026, 6, 1)).unwrap();
        let named = DatedOriginatorKey::parse("a|T|M|000001|101010|0601|2", date(2026, 6, 1)).unwrap();
        for key in [key, named] {
            let rows = key.of_class(KeyClass::Financial);
            assert_eq!(hex(&rows.original.0), "4c602a3590a1c864ad5f46c3d0efa4ae");
            assert_eq!(hex(&rows.reversal.0), "c6f34571e77e393a2a70374fde920363");
        }
    }

    #[test]
    fn broken_keys_are_refused() {
        let today = date(2026, 6, 1);
        assert_eq!(DatedOriginatorKey::parse("a|b|c", today), Err(KeyError::Parts(NotAKey)));
        assert_eq!(DatedOriginatorKey::parse("a|T|M|x|101010|0601", today), Err(KeyError::Stan));
        assert_eq!(DatedOriginatorKey::parse("a|T|M|1|251010|0601", today), Err(KeyError::LocalTime));
        assert_eq!(DatedOriginatorKey::parse("a|T|M|1|101010|1301", today), Err(KeyError::LocalTime));
    }
}
