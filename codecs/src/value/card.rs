//! The primary account number, PAN (ISO/IEC 7812): masked when shown, wiped when dropped.

use super::Value;
use super::encoded_value::EncodedValue;
use crate::char_class::all_digits;
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;
use zeroize::Zeroize;

/// A card number, or the number of a token: 8 to 19 digits.
///
/// There is no `Display` and no serialization. `Debug` shows the first six and last four digits.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pan {
    digits: [u8; 19],
    len: u8,
}

/// Why a text is no card number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PanFault {
    #[error("a card number has 8 to 19 digits")]
    Length,
    #[error("a card number has digits only")]
    Class,
}

impl Pan {
    /// # Errors
    /// A length other than 8–19, or a character that is no digit. The check digit is not tested: whether it must be
    /// valid depends on the card product.
    pub fn from_digits(digits: &[u8]) -> Result<Self, PanFault> {
        if !(8..=19).contains(&digits.len()) {
            return Err(PanFault::Length);
        }
        if !all_digits(digits) {
            return Err(PanFault::Class);
        }
        let mut pan = Self { digits: [0; 19], len: digits.len() as u8 };
        pan.digits[..digits.len()].copy_from_slice(digits);
        Ok(pan)
    }

    /// The digits in clear: for routing, the HSM and the wire, never for a log.
    #[inline]
    pub fn expose(&self) -> &[u8] {
        &self.digits[..usize::from(self.len)]
    }

    /// First six, asterisks, last four.
    pub fn masked(&self) -> String {
        mask_digits(self.expose().iter().copied())
    }

    pub fn last_four(&self) -> &str {
        let digits = self.expose();
        std::str::from_utf8(&digits[digits.len() - 4..]).expect("a PAN holds ASCII digits")
    }

    /// Whether the last digit is the Luhn check digit of the others (ISO/IEC 7812-1, annex B).
    pub fn luhn_holds(&self) -> bool {
        let (last, payload) = self.expose().split_last().expect("a PAN has at least eight digits");
        luhn_digit(payload) == *last
    }
}

/// The Luhn check digit, in ASCII, that completes `payload`.
pub fn luhn_digit(payload: &[u8]) -> u8 {
    let sum: u32 = payload
        .iter()
        .rev()
        .enumerate()
        .map(|(i, c)| {
            let digit = u32::from(c - b'0');
            if i % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit }
        })
        .sum();
    b'0' + ((10 - sum % 10) % 10) as u8
}

/// Replaces all digits but the first six and last four; a short number is replaced completely.
pub fn mask_digits(chars: impl Iterator<Item = u8>) -> String {
    let chars: Vec<u8> = chars.collect();
    let keep = if chars.len() >= 13 { (6, chars.len() - 4) } else { (0, chars.len().saturating_sub(4)) };
    chars.iter().enumerate().map(|(i, c)| if i < keep.0 || i >= keep.1 { char::from(*c) } else { '*' }).collect()
}

/// Masks possible card numbers in free text – 13 to 19 digits with a valid check digit – because partners send them in
/// elements where the standard has none.
pub fn mask_card_numbers(text: &mut [u8]) {
    let mut rest = text;
    while let Some(start) = rest.iter().position(u8::is_ascii_digit) {
        rest = &mut rest[start..];
        let end = rest.iter().position(|c| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, after) = rest.split_at_mut(end);
        if Pan::from_digits(digits).is_ok_and(|pan| digits.len() >= 13 && pan.luhn_holds()) {
            let keep = digits.len() - 4;
            digits[6..keep].fill(b'*');
        }
        rest = after;
    }
}

impl Drop for Pan {
    fn drop(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for Pan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Value<'_> for Pan {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let mut digits = [0u8; 19];
        let count = field.copy_to(&mut digits).ok_or(ErrorKind::LengthOverMax)?;
        let pan = Self::from_digits(&digits[..count]).map_err(|fault| match fault {
            PanFault::Length => ErrorKind::BadLength,
            PanFault::Class => ErrorKind::Class,
        });
        digits.zeroize();
        pan
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Digits(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_ten_digits_at_most() {
        let pan = Pan::from_digits(b"4000120000000008").unwrap();
        assert_eq!(format!("{pan:?}"), "400012******0008");
        assert_eq!(mask_digits(b"12345678".iter().copied()), "****5678");
    }

    #[test]
    fn card_numbers_in_free_text_are_masked() {
        let mut text = *b"re 4000120000000008, order 4000120000000003, till 123456789012";
        mask_card_numbers(&mut text);
        assert_eq!(&text, b"re 400012******0008, order 4000120000000003, till 123456789012");
    }

    #[test]
    fn one_check_digit_of_ten_holds() {
        let holding: Vec<u8> = (b'0'..=b'9')
            .filter(|last| {
                let mut digits = b"400012000000000".to_vec();
                digits.push(*last);
                Pan::from_digits(&digits).unwrap().luhn_holds()
            })
            .collect();
        assert_eq!(holding, [luhn_digit(b"400012000000000")]);
        assert_eq!(luhn_digit(b"7992739871"), b'3', "the example of ISO/IEC 7812");
    }
}
