//! Acquirer reference number (DE31): identifies one presentment, in disputes too.

use std::fmt;

use codecs::value::luhn_digit;
use jiff::civil::Date;

/// 23 digits: a format digit, the acquirer's number (6), the date (YDDD), a sequence (11) and a Luhn check digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AcquirerReference(String);

/// Why a text is not an acquirer reference number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("a reference is 23 digits")]
    Form,
    #[error("the check digit does not hold")]
    CheckDigit,
}

impl AcquirerReference {
    /// Our format digit: assigned by the acquirer, with one sequence for all its terminals.
    const FORMAT: char = '7';
    /// Largest sequence number of one acquirer and date.
    pub const MAX_SEQUENCE: u64 = 99_999_999_999;

    /// The reference of presentment `sequence` of a date; `None` if the acquirer is not six digits or the sequence too
    /// large.
    #[must_use]
    pub fn new(acquirer: &str, date: Date, sequence: u64) -> Option<Self> {
        if acquirer.len() != 6 || !acquirer.bytes().all(|b| b.is_ascii_digit()) || sequence > Self::MAX_SEQUENCE {
            return None;
        }
        let (year, day) = (date.year() % 10, date.day_of_year());
        let mut digits = format!("{}{acquirer}{year}{day:03}{sequence:011}", Self::FORMAT);
        digits.push(char::from(luhn_digit(digits.as_bytes())));
        Some(Self(digits))
    }

    /// Parses the reference of another institution.
    ///
    /// # Errors
    /// Wrong length, a character that is no digit, or a wrong check digit.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.len() != 23 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ReferenceError::Form);
        }
        let (payload, check) = text.as_bytes().split_at(22);
        if check != [luhn_digit(payload)] {
            return Err(ReferenceError::CheckDigit);
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AcquirerReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_reference_is_made_of_its_parts() {
        let reference = AcquirerReference::new("400012", date(2026, 11, 20), 17).unwrap();
        assert_eq!(&reference.as_str()[..22], "7400012632400000000017");
        assert_eq!(AcquirerReference::parse(reference.as_str()), Ok(reference));
    }

    #[test]
    fn what_does_not_fit_makes_none() {
        assert_eq!(AcquirerReference::new("40001", date(2026, 1, 1), 1), None);
        assert_eq!(AcquirerReference::new("40001X", date(2026, 1, 1), 1), None);
        assert_eq!(AcquirerReference::new("400012", date(2026, 1, 1), AcquirerReference::MAX_SEQUENCE + 1), None);
    }

    #[test]
    fn every_single_wrong_digit_is_noticed() {
        let reference = AcquirerReference::new("400012", date(2026, 11, 20), 98_765).unwrap();
        for at in 0..23 {
            let mut digits = reference.as_str().to_owned().into_bytes();
            digits[at] = b'0' + (digits[at] - b'0' + 1) % 10;
            let wrong = String::from_utf8(digits).unwrap();
            assert_eq!(AcquirerReference::parse(&wrong), Err(ReferenceError::CheckDigit), "digit {at}");
        }
    }
}
