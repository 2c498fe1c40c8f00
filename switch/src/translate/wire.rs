//! The bytes of a message for a destination, translated from the host's dialect; and whether the switch takes the
//! version of an originator's message.

use super::{canonical, v93};
use bytes::Bytes;
use codecs::{DecodeError, Dialect, EncodeError, Message, Version};
use jiff::civil::Date;
use std::sync::Arc;

/// Why a message cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// An element that it is made from cannot be read.
    #[error(transparent)]
    Read(#[from] DecodeError),
    /// An element does not fit the dialect that it is made for.
    #[error(transparent)]
    Write(#[from] EncodeError),
}

/// The bytes of a message in the host's dialect for the host itself.
pub fn for_host(message: &Message) -> Bytes {
    message.bytes().clone()
}

/// The bytes of a message in the host's dialect for a foreign destination of this dialect. `today` supplies the years
/// that 1987 leaves out.
///
/// # Errors
/// An element cannot be put into the destination's version.
pub fn for_partner(message: &Message, dialect: &Arc<Dialect>, today: Date) -> Result<Bytes, BuildError> {
    let builder = match dialect.version {
        Version::V1987 => canonical::for_partner(message, dialect),
        _ => v93::from_canonical(message, dialect, today)?,
    };
    Ok(builder.encode()?)
}

/// Whether an originator's message has the version of its link, and that is 1987: the switch takes no other yet.
pub fn is_taken(message: &Message) -> bool {
    let version = message.dialect().version;
    message.mti().version() == Some(version) && version == Version::V1987
}
