//! Plain numbers of a fixed width.

use super::Value;
use super::encoded_value::{EncodedValue, FixedDigits};
use crate::error::ErrorKind;
use crate::field::Field;

/// A number of `N` digits without a type of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Number<const N: usize>(pub u32);

impl<const N: usize> Value<'_> for Number<N> {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        let value = field.number().ok_or(ErrorKind::Class)?;
        u32::try_from(value).map(Self).map_err(|_| ErrorKind::LengthOverMax)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<N>(u64::from(self.0)))
    }
}

/// A number of transactions (DE74–81): ten digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u64);

impl Value<'_> for Count {
    fn read(field: Field<'_>) -> Result<Self, ErrorKind> {
        field.number().map(Self).ok_or(ErrorKind::Class)
    }

    #[inline]
    fn encoded(&self) -> EncodedValue<'_> {
        EncodedValue::Number(FixedDigits::of::<10>(self.0))
    }
}
