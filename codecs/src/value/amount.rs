//! Amounts of money in minor units, and currencies (ISO 4217, ISO 8583 clause 4.3).

use super::currencies::CURRENCIES;
use super::encoded_value::{EncodedValue, FixedDigits, InlineChars};
use super::{Value, digits, exactly};
use crate::error::ErrorKind;
use crate::field::Field;
use std::fmt;

/// An amount in the minor unit of a currency given elsewhere; on the wire at most twelve digits, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minor(pub i64);

impl Minor {
    pub const ZERO: Self = Self(0);
    /// The largest amount that twelve digits hold.
    pub const WIRE_MAX: Self = Self(999_999_999_999);

    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// `self` × `to` / `of`, rounded half up, of amounts that are not negative: what it is where `of` is `to`. Of nothing,
    /// nothing.
    pub fn scaled(self, to: Self, of: Self) -> Self {
        self.scaled_with(to, of, of.0 / 2)
    }

    /// As [`Minor::scaled`], rounded down.
    pub fn scaled_down(self, to: Self, of: Self) -> Self {
        self.scaled_with(to, of, 0)
    }

    fn scaled_with(self, to: Self, of: Self, rounding: i64) -> Self {
        let product = i128::from(self.0) * i128::from(to.0) + i128::from(rounding);
        let scaled = product.checked_div(i128::from(of.0)).unwrap_or(0);
        Self(i64::try_from(scaled).unwrap_or(i64::MAX))
    }

    /// Two amounts, one after the other.
    fn joined(amounts: [Self; 2]) -> InlineChars {
        amounts.iter().fold(InlineChars::empty(), |joined, amount| joined.with_digits::<12>(amount.0.unsigned_abs()))
    }
}

impl Value<'_> for Minor {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        // in 2003 an amount begins with currency and exponent: that is not read here
        if field.len() > 12 {
            return Err(ErrorKind::LengthOverMax);
        }
        let value = field.number().ok_or(ErrorKind::Class)?;
        i64::try_from(value).map(Self).map_err(|_| ErrorKind::LengthOverMax)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        debug_assert!((0..=Self::WIRE_MAX.0).contains(&self.0), "an amount on the wire has twelve digits and no sign");
        EncodedValue::Number(FixedDigits::of::<12>(self.0.unsigned_abs()))
    }
}

/// A currency by its ISO 4217 number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency(u16);

impl Currency {
    pub const EUR: Self = Self(978);

    /// From an ISO 4217 number. Any three digits may be on the wire, whether known or not.
    pub const fn from_number(number: u16) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u16 {
        self.0
    }

    fn row(self) -> Option<&'static (u16, &'static str, u32)> {
        CURRENCIES.binary_search_by_key(&self.0, |(number, ..)| *number).ok().map(|at| &CURRENCIES[at])
    }

    /// The alphabetic code; `None` for a number that is no currency.
    pub fn letters(self) -> Option<&'static str> {
        self.row().map(|(_, letters, _)| *letters)
    }

    pub fn from_letters(letters: &str) -> Option<Self> {
        CURRENCIES.iter().find(|(_, known, _)| *known == letters).map(|(number, ..)| Self(*number))
    }

    /// Decimal places of the minor unit; 2 if the currency is unknown.
    pub fn exponent(self) -> u32 {
        self.row().map_or(2, |(.., exponent)| *exponent)
    }

    /// `12.50` for 1250 minor units of a currency with two decimals; negative amounts keep their sign.
    pub fn decimal(self, amount: Minor) -> String {
        let exponent = self.exponent();
        let unit = 10u64.pow(exponent);
        let (sign, size) = (if amount.0 < 0 { "-" } else { "" }, amount.0.unsigned_abs());
        match exponent {
            0 => format!("{sign}{size}"),
            _ => format!("{sign}{}.{:0width$}", size / unit, size % unit, width = exponent as usize),
        }
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters() {
            Some(letters) => f.write_str(letters),
            None => write!(f, "{:03}", self.0),
        }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Value<'_> for Currency {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 3)?;
        if let Some(number) = field.number() {
            return Ok(Self(number as u16));
        }
        let letters = field.content();
        std::str::from_utf8(&letters).ok().and_then(Self::from_letters).ok_or(ErrorKind::Class)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<3>(u64::from(self.0)))
    }
}

/// An amount with its currency.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    pub minor: Minor,
    pub currency: Currency,
}

impl Money {
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor: Minor(minor), currency }
    }

    /// The sum; `None` if the currencies differ or the sum does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.minor.checked_add(other.minor))
            .flatten()
            .map(|minor| Self { minor, ..self })
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.currency.decimal(self.minor), self.currency)
    }
}

/// A sum of amounts over a period: sixteen digits, no sign (DE86–89).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total(pub u64);

impl Value<'_> for Total {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        field.number().map(Self).ok_or(ErrorKind::Class)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<16>(self.0))
    }
}

/// A net sum: `C` (credit, positive here) or `D` (debit, negative here), then sixteen digits (DE97).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignedTotal(pub i64);

impl Value<'_> for SignedTotal {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 17)?;
        let size = i64::try_from(digits(&field, 1, 17)?).map_err(|_| ErrorKind::LengthOverMax)?;
        match field.char_at(0) {
            b'C' => Ok(Self(size)),
            b'D' => Ok(Self(-size)),
            _ => Err(ErrorKind::Class),
        }
    }

    fn encoded(&self) -> EncodedValue<'_> {
        let sign = if self.0 < 0 { b"D" } else { b"C" };
        EncodedValue::Inline(InlineChars::empty().with(sign).with_digits::<16>(self.0.unsigned_abs()))
    }
}

/// The amount that remains after a partial reversal (DE95, 1987): the actual transaction amount, then settlement amount
/// and two fees, which are zero here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplacementAmounts {
    pub transaction: Minor,
    pub settlement: Minor,
}

impl Value<'_> for ReplacementAmounts {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 42)?;
        let amount = |from| digits(&field, from, from + 12).map(|n| Minor(n as i64));
        Ok(Self { transaction: amount(0)?, settlement: amount(12)? })
    }

    fn encoded(&self) -> EncodedValue<'_> {
        let amounts = Minor::joined([self.transaction, self.settlement]);
        EncodedValue::Inline(amounts.with(b"C00000000C00000000"))
    }
}

/// The amounts before DE4 was replaced (DE30, 1993): transaction, then reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalAmounts {
    pub transaction: Minor,
    pub reconciliation: Minor,
}

impl Value<'_> for OriginalAmounts {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 24)?;
        let amount = |from| digits(&field, from, from + 12).map(|n| Minor(n as i64));
        Ok(Self { transaction: amount(0)?, reconciliation: amount(12)? })
    }

    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Inline(Minor::joined([self.transaction, self.reconciliation]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_follow_the_currency() {
        for (currency, minor, shown) in
            [("EUR", 1250, "12.50"), ("EUR", -5, "-0.05"), ("JPY", 1250, "1250"), ("KWD", 1250, "1.250")]
        {
            assert_eq!(Currency::from_letters(currency).unwrap().decimal(Minor(minor)), shown);
        }
    }
}
