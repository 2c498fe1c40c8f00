//! Types of the values in data elements. A value can only be read from a field or constructed with a check. Written, it
//! gives characters that each dialect encodes in its own way.

mod amount;
mod card;
mod country;
mod currencies;
mod encoded_value;
mod ids;
mod number;
mod original;
mod point_of_service;
mod rate;
mod response_code;
mod secret;
mod text;
mod time;
mod track;

pub use amount::{Currency, Minor, Money, OriginalAmounts, ReplacementAmounts, SignedTotal, Total};
pub use card::{Pan, PanFault, luhn_digit, mask_card_numbers, mask_digits};
pub use country::country_letters;
pub use encoded_value::{EncodedValue, FixedDigits, InlineChars};
pub use ids::{ApprovalCode, InstitutionId, MerchantId, Rrn, Stan, TerminalId};
pub use number::{Count, Number};
pub use original::OriginalData;
pub use point_of_service::{EntryMode, PosEntryMode, ProcessingCode, TransactionType};
pub use rate::ConversionRate;
pub use response_code::ResponseCode;
pub use secret::{Mac, PinBlock};
pub use text::{Opaque, Text};
pub use time::{Expiry, LocalDateTime, LocalTime, MonthDay, TransmissionTime, YearMonthDay};
pub use track::Track2;

use crate::error::ErrorKind;
use crate::field::Field;

/// A typed value of a data element.
pub trait Value<'m>: Sized {
    /// # Errors
    /// The fault of the content: `class`, `date`, `bad-length`.
    fn read(field: Field<'m>) -> Result<Self, ErrorKind>;

    /// Its characters, for a dialect to encode.
    fn encoded(&self) -> EncodedValue<'_>;
}

/// The number in characters `from..to` of a field.
pub(crate) fn digits(field: &Field<'_>, from: usize, to: usize) -> Result<u64, ErrorKind> {
    field.number_in(from, to).ok_or(ErrorKind::Class)
}

/// Refuses a field with another length.
pub(crate) fn exactly(field: &Field<'_>, units: usize) -> Result<(), ErrorKind> {
    if field.len() == units { Ok(()) } else { Err(ErrorKind::BadLength) }
}
