//! ISO 8583 codec: bytes to messages with typed values, and back.
//!
//! The crate has no socket, no clock and no task. A [`Message`] is its own bytes plus the position of each element in
//! them; typed values are read on demand. A [`Dialect`] is a table, and every difference between two partners' messages
//! is a row of it.

pub mod bitmap;
mod blocks;
mod builder;
mod char_class;
pub mod composite;
pub mod de;
mod decimal;
pub mod describe;
pub mod dialect;
pub mod ebcdic;
pub mod encoding;
mod error;
pub mod field;
pub mod frame;
pub mod guess;
mod hex;
pub mod ipm;
pub mod mac;
mod message;
pub mod mti;
pub mod originator;
mod packed;
pub mod subfields;
mod tables;
pub mod tlv;
pub mod value;
pub mod view;
mod wire;

pub use builder::Builder;
pub use composite::{CutError, Inner};
pub use dialect::{Dialect, Version};
pub use error::{DecodeError, EncodeError, ErrorKind};
pub use field::Field;
pub use message::Message;
pub use mti::Mti;
