//! Text composites as typed values: tag-length-value in DE48, sets of amounts in DE54, PDS in clearing records.

use crate::encoding::hex_value;
use crate::value::{Currency, Minor};

/// Content that cannot be cut, with the position of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot be cut at character {0}")]
pub struct SubfieldError(pub usize);

/// Iterator over sub-elements with tag, length and value in characters. DE48 has tags and lengths of two digits here;
/// the private data subelements of clearing (PDS) have tags of four and lengths of three.
#[derive(Clone, Debug)]
pub struct Tagged<'m> {
    whole: &'m [u8],
    at: usize,
    tag_width: usize,
    length_width: usize,
}

/// DE48: tag 2, length 2.
pub fn additional_data(content: &[u8]) -> Tagged<'_> {
    Tagged { whole: content, at: 0, tag_width: 2, length_width: 2 }
}

/// Clearing PDS: tag 4, length 3.
pub fn private_data(content: &[u8]) -> Tagged<'_> {
    Tagged { whole: content, at: 0, tag_width: 4, length_width: 3 }
}

impl<'m> Iterator for Tagged<'m> {
    type Item = Result<(u16, &'m [u8]), SubfieldError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.whole.len() {
            return None;
        }
        let start = self.at;
        let cut = || -> Option<(u16, &'m [u8], usize)> {
            let tag = number(self.whole.get(start..start + self.tag_width)?)?;
            let value = start + self.tag_width + self.length_width;
            let length = usize::from(number(self.whole.get(start + self.tag_width..value)?)?);
            Some((tag, self.whole.get(value..value + length)?, value + length))
        };
        match cut() {
            Some((tag, value, end)) => {
                self.at = end;
                Some(Ok((tag, value)))
            }
            None => {
                self.at = self.whole.len();
                Some(Err(SubfieldError(start)))
            }
        }
    }
}

/// Appends a PDS of clearing; `None`, and nothing appended, if tag or value is too large for the format.
pub fn write_private_data(tag: u16, value: &[u8], out: &mut Vec<u8>) -> Option<()> {
    if tag > 9999 || value.len() > 999 {
        return None;
    }
    out.extend_from_slice(format!("{tag:04}{:03}", value.len()).as_bytes());
    out.extend_from_slice(value);
    Some(())
}

fn number(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |n, d| {
        hex_value(*d).filter(|v| *v <= 9).and_then(|v| n.checked_mul(10)?.checked_add(u16::from(v)))
    })
}

/// Appends a sub-element of DE48.
pub fn write_additional_data(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    debug_assert!(tag <= 99 && value.len() <= 99, "a sub-element of DE 48 has two digits of tag and of length");
    out.extend_from_slice(format!("{tag:02}{:02}", value.len()).as_bytes());
    out.extend_from_slice(value);
}

/// Tags of DE48 in this project's dialects.
pub mod additional {
    /// Point-of-service capabilities; the first character is 1 if the terminal supports partial approval.
    pub const CAPABILITIES: u16 = 61;
    /// Card security code of a keyed card. Sensitive authentication data.
    pub const SECURITY_CODE: u16 = 92;
}

/// One set of DE54 (ISO 8583:1987, 4.3.12): twenty characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdditionalAmount {
    pub account_type: u8,
    pub amount_type: u8,
    pub currency: Currency,
    /// Negative for a debit sign.
    pub amount: Minor,
}

/// Amount types of DE54.
pub mod amount_type {
    pub const LEDGER_BALANCE: u8 = 1;
    pub const AVAILABLE_BALANCE: u8 = 2;
    pub const CASH: u8 = 40;
    pub const APPROVED: u8 = 53;
    pub const ORIGINAL: u8 = 57;
}

/// The sets of DE54.
///
/// # Errors
/// The position of the first malformed set.
pub fn additional_amounts(content: &[u8]) -> Result<Vec<AdditionalAmount>, SubfieldError> {
    content.chunks(20).enumerate().map(|(i, set)| read_amount(set).ok_or(SubfieldError(i * 20))).collect()
}

fn read_amount(set: &[u8]) -> Option<AdditionalAmount> {
    let set = (set.len() == 20).then(|| std::str::from_utf8(set).ok())??;
    let digits = |range: std::ops::Range<usize>| {
        let text = set.get(range)?;
        text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<i64>().ok())?
    };
    let amount = digits(8..20)?;
    Some(AdditionalAmount {
        account_type: digits(0..2)? as u8,
        amount_type: digits(2..4)? as u8,
        currency: Currency::from_number(digits(4..7)? as u16),
        amount: match set.as_bytes()[7] {
            b'C' => Minor(amount),
            b'D' => Minor(-amount),
            _ => return None,
        },
    })
}

/// Appends a set of DE54.
pub fn write_additional_amount(set: &AdditionalAmount, out: &mut Vec<u8>) {
    let sign = if set.amount.0 < 0 { 'D' } else { 'C' };
    let (account, kind, currency) = (set.account_type, set.amount_type, set.currency.number());
    let size = set.amount.0.unsigned_abs();
    out.extend_from_slice(format!("{account:02}{kind:02}{currency:03}{sign}{size:012}").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_turn_back() {
        let set = AdditionalAmount { account_type: 0, amount_type: 57, currency: Currency::EUR, amount: Minor(-1999) };
        let mut out = Vec::new();
        write_additional_amount(&set, &mut out);
        assert_eq!(out, b"0057978D000000001999");
        assert_eq!(additional_amounts(&out), Ok(vec![set]));
        assert_eq!(additional_amounts(&out[..19]), Err(SubfieldError(0)));
    }

    #[test]
    fn sub_elements_are_cut_or_named() {
        let mut out = Vec::new();
        write_additional_data(92, b"123", &mut out);
        write_additional_data(61, b"1", &mut out);
        let read: Vec<_> = additional_data(&out).collect::<Result<_, _>>().unwrap();
        assert_eq!(read, [(92, &b"123"[..]), (61, b"1")]);
        assert_eq!(additional_data(b"9203123619").last(), Some(Err(SubfieldError(7))));
    }
}
