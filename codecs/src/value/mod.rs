//! The values that travel in data elements. Reading one from a field, or checking one into being, is the only way to
//! get one; writing one gives the characters that every dialect then encodes in its own way.

mod amount;
mod card;
mod country;
mod currencies;
mod ids;
mod number;
mod original;
mod point_of_service;
mod response_code;
mod secret;
mod text;
mod time;
mod track;

pub use amount::{Currency, Minor, Money, OriginalAmounts, ReplacementAmounts, SignedTotal, Total};
pub use card::{Pan, PanFault, luhn_digit, mask_card_numbers, mask_digits};
pub use country::country_letters;
pub use ids::{ApprovalCode, InstitutionId, MerchantId, Rrn, Stan, TerminalId};
pub use number::{Count, Number};
pub use original::OriginalData;
pub use point_of_service::{EntryMode, PosEntryMode, ProcessingCode, TransactionType};
pub use response_code::ResponseCode;
pub use secret::{Mac, PinBlock};
pub use text::{Opaque, Text};
pub use time::{Expiry, LocalDateTime, LocalTime, MonthDay, TransmissionTime, YearMonthDay};
pub use track::Track2;

use crate::error::ErrorKind;
use crate::field::Field;

/// A value of the domain, as an element holds it.
pub trait Value<'m>: Sized {
    /// Whether [`Value::write`] can append nothing but digits, so that nobody has to look.
    const WRITES_DIGITS: bool = false;

    /// # Errors
    /// What is wrong with the content: `class`, `date`, `bad-length`.
    fn read(field: Field<'m>) -> Result<Self, ErrorKind>;

    /// Appends its characters in ASCII – bytes, for binary elements – without regard to any dialect.
    fn write(&self, out: &mut Vec<u8>);
}

/// Appends `value` in exactly `WIDTH` digits, at most sixteen, the most significant first; higher digits are cut off.
#[inline]
pub(crate) fn write_digits<const WIDTH: usize>(value: u64, out: &mut Vec<u8>) {
    const { assert!(WIDTH <= 16) };
    const HALF: u64 = 100_000_000;
    let low = eight_digits(value % HALF);
    let high = if WIDTH > 8 { eight_digits(value / HALF % HALF) } else { [b'0'; 8] };
    let mut digits = [b'0'; 16];
    digits[..8].copy_from_slice(&high);
    digits[8..].copy_from_slice(&low);
    out.extend_from_slice(&digits[16 - WIDTH..]);
}

/// The digits of a number below a hundred million, halved again and again, the halves side by side in one register.
#[inline]
fn eight_digits(number: u64) -> [u8; 8] {
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    // a product and a shift divide lanes that are this small exactly
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007F_0000_007F;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000F_000F_000F_000F;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030_3030_3030).to_le_bytes()
}

/// The number in characters `from..to` of a field.
pub(crate) fn digits(field: &Field<'_>, from: usize, to: usize) -> Result<u64, ErrorKind> {
    field.number_in(from, to).ok_or(ErrorKind::Class)
}

/// Refuses a field of another length.
pub(crate) fn exactly(field: &Field<'_>, units: usize) -> Result<(), ErrorKind> {
    if field.len() == units { Ok(()) } else { Err(ErrorKind::BadLength) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_of_the_number() {
        let mut number = 0u64;
        for step in 0..20_000u64 {
            number = number.wrapping_mul(31).wrapping_add(step) % 10_000_000_000_000_000;
            let mut out = Vec::new();
            write_digits::<16>(number, &mut out);
            write_digits::<12>(number, &mut out);
            write_digits::<3>(step, &mut out);
            assert_eq!(out, format!("{number:016}{:012}{:03}", number % 1_000_000_000_000, step % 1000).into_bytes());
        }
    }
}
