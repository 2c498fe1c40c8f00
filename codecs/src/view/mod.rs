//! Views of messages, one per message class: the mandatory elements as typed values, and access to the others.
//!
//! A view borrows its message. Creating one checks that mandatory elements are present and well formed; the program
//! that reads it decides what the absence of another element means.

mod advice;
mod authorization;
mod financial;
mod network;
mod reconciliation;
mod reversal;

pub use advice::Advice;
pub use authorization::Authorization;
pub use financial::Financial;
pub use network::{Network, NetworkFunction};
pub use reconciliation::{Reconciliation, Totals};
pub use reversal::Reversal;

use crate::de;
use crate::error::{DecodeError, ErrorKind};
use crate::message::Message;
use crate::mti::Class;
use crate::value::{Expiry, Pan};

/// For views whose answers depend on the class: refuses a message of another class.
fn require_class(message: &Message, class: Class) -> Result<(), DecodeError> {
    match message.mti().class() == class {
        true => Ok(()),
        false => Err(DecodeError::new(ErrorKind::UnexpectedElement, de::MTI, 0)),
    }
}

/// The card number of a message: element 2, or the one on track 2.
///
/// # Errors
/// Neither is present, or the content is no card number.
pub fn pan(message: &Message) -> Result<Pan, DecodeError> {
    pan_if_any(message)?.ok_or(DecodeError::new(ErrorKind::MissingElement, <de::Pan as de::DataElement>::NUMBER, 0))
}

/// As [`pan`], for messages in which it is optional.
///
/// # Errors
/// The content is no card number.
pub fn pan_if_any(message: &Message) -> Result<Option<Pan>, DecodeError> {
    Ok(match message.get::<de::Pan>()? {
        Some(pan) => Some(pan),
        None => message.get::<de::Track2>()?.map(|track| track.pan()),
    })
}

/// The card's expiry in the message: element 14, or the one on track 2.
///
/// # Errors
/// The content is no expiry.
pub fn expiry(message: &Message) -> Result<Option<Expiry>, DecodeError> {
    if let Some(expiry) = message.get::<de::Expiry>()? {
        return Ok(Some(expiry));
    }
    let Some(track) = message.get::<de::Track2>()? else { return Ok(None) };
    let at = message.offset(<de::Track2 as de::DataElement>::NUMBER).unwrap_or(0);
    track.expiry().map(Some).map_err(|kind| DecodeError::new(kind, <de::Track2 as de::DataElement>::NUMBER, at))
}
