//! Conversion rates (ISO 8583:1987 elements 9 and 10).

use std::fmt;

use super::encoded_value::{EncodedValue, FixedDigits};
use super::{Value, exactly};
use crate::error::ErrorKind;
use crate::field::Field;

/// How many units of one currency a unit of another is worth: seven digits, and how many of them are decimals. Units are
/// whole dollars, yen or dinars, not their minor units.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConversionRate {
    digits: u32,
    decimals: u8,
}

impl ConversionRate {
    /// The most that its digits hold.
    pub const MAX_DIGITS: u32 = 9_999_999;
    const PLACE: u32 = Self::MAX_DIGITS + 1;

    /// `digits` × 10^−`decimals`; `None` if there are more than seven digits or nine decimals, or it is zero.
    pub const fn new(digits: u32, decimals: u8) -> Option<Self> {
        if digits == 0 || digits > Self::MAX_DIGITS || decimals > 9 {
            return None;
        }
        Some(Self { digits, decimals })
    }

    /// The seven digits as a number.
    pub const fn digits(self) -> u32 {
        self.digits
    }

    /// How many of the digits are decimals.
    pub const fn decimals(self) -> u8 {
        self.decimals
    }

    /// The element's eight digits as a number.
    pub const fn number(self) -> u32 {
        self.decimals as u32 * Self::PLACE + self.digits
    }

    /// From the element's eight digits as a number.
    pub const fn from_number(number: u32) -> Option<Self> {
        Self::new(number % Self::PLACE, (number / Self::PLACE) as u8)
    }
}

impl fmt::Debug for ConversionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, decimals) = (10u64.pow(u32::from(self.decimals)), usize::from(self.decimals));
        let digits = u64::from(self.digits);
        match decimals {
            0 => write!(f, "{digits}"),
            _ => write!(f, "{}.{:0decimals$}", digits / unit, digits % unit),
        }
    }
}

impl fmt::Display for ConversionRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Value<'_> for ConversionRate {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        exactly(&field, 8)?;
        let number = field.number().ok_or(ErrorKind::Class)?;
        u32::try_from(number).ok().and_then(Self::from_number).ok_or(ErrorKind::Class)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<8>(u64::from(self.number())))
    }
}

#[cfg(test)]
mod tests {
    use super::ConversionRate;

    #[test]
    fn the_first_digit_says_where_the_point_is() {
        for (number, shown) in [
            (79_000_000, "0.9000000"),
            (40_000_061, "0.0061"),
            (61_234_567, "1.234567"),
            (1_234_567, "1234567"),
            (90_000_001, "0.000000001"),
        ] {
            let rate = ConversionRate::from_number(number).unwrap();
            assert_eq!((rate.to_string().as_str(), rate.number()), (shown, number));
        }
    }

    #[test]
    fn nothing_is_worth_nothing() {
        assert_eq!(ConversionRate::from_number(70_000_000), None);
        assert_eq!(ConversionRate::new(10_000_000, 7), None);
        assert_eq!(ConversionRate::new(1, 10), None);
    }
}
