//! Track 2, or its equivalent from a chip (ISO/IEC 7813): never shown, wiped when dropped.

use super::Value;
use super::card::Pan;
use super::encoded_value::EncodedValue;
use super::time::Expiry;
use crate::char_class::all_digits;
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;
use zeroize::Zeroize;

/// Track 2 data: PAN, separator, expiry, service code, discretionary data.
#[derive(Clone, PartialEq, Eq)]
pub struct Track2 {
    chars: [u8; 40],
    len: u8,
    separator: u8,
}

impl Track2 {
    /// From characters with `=` or `D` between PAN and expiry; sentinels `;` and `?` are allowed.
    ///
    /// # Errors
    /// `class` without a separator or with other characters; `bad-length` if too long or if parts are missing.
    pub fn from_chars(chars: &[u8]) -> Result<Self, ErrorKind> {
        let chars = chars.strip_prefix(b";").unwrap_or(chars);
        let chars = chars.strip_suffix(b"?").unwrap_or(chars);
        // a packed track of odd length may end in filler
        let chars = chars.strip_suffix(b"F").unwrap_or(chars);
        let separator = chars.iter().position(|c| matches!(c, b'=' | b'D' | b'd')).ok_or(ErrorKind::Class)?;
        if !(all_digits(&chars[..separator]) && all_digits(&chars[separator + 1..])) {
            return Err(ErrorKind::Class);
        }
        if chars.len() > 40 || !(8..=19).contains(&separator) || chars.len() < separator + 8 {
            return Err(ErrorKind::BadLength);
        }
        let mut track = Self { chars: [0; 40], len: chars.len() as u8, separator: separator as u8 };
        track.chars[..chars.len()].copy_from_slice(chars);
        track.chars[separator] = b'=';
        Ok(track)
    }

    /// The characters, with `=` as separator: for the wire, never for a log or a table.
    #[inline]
    pub fn expose(&self) -> &[u8] {
        &self.chars[..usize::from(self.len)]
    }

    pub fn pan(&self) -> Pan {
        Pan::from_digits(&self.chars[..usize::from(self.separator)]).expect("a track's PAN has 8 to 19 digits")
    }

    /// # Errors
    /// `date` for a month over 12.
    pub fn expiry(&self) -> Result<Expiry, ErrorKind> {
        let d = |i: usize| self.chars[usize::from(self.separator) + 1 + i] - b'0';
        Expiry::new(d(0) * 10 + d(1), d(2) * 10 + d(3)).ok_or(ErrorKind::Date)
    }

    /// The service code: three digits that say how the card may be used.
    pub fn service_code(&self) -> [u8; 3] {
        let from = usize::from(self.separator) + 5;
        [self.chars[from], self.chars[from + 1], self.chars[from + 2]]
    }

    /// The issuer's data after the service code, including the card security code. Secret.
    pub fn discretionary(&self) -> &[u8] {
        &self.expose()[usize::from(self.separator) + 8..]
    }
}

impl Drop for Track2 {
    fn drop(&mut self) {
        self.chars.zeroize();
    }
}

impl fmt::Debug for Track2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[track 2]")
    }
}

impl Value<'_> for Track2 {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let mut chars = [0u8; 48];
        let count = field.copy_to(&mut chars).ok_or(ErrorKind::LengthOverMax)?;
        let track = Self::from_chars(&chars[..count]);
        chars.zeroize();
        track
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Track(self.expose())
    }
}
