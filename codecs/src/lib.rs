//! ISO 8583 on the wire: bytes in, typed views out; typed values in, bytes out.
//!
//! There is no socket, no clock and no task in this crate. A [`Message`] is its own bytes plus the place of each
//! element in them; typed values are read on demand. A [`Dialect`] is a table, and everything that differs
//! between two partners on the wire is a row of it.

pub mod bitmap;
mod blocks;
mod builder;
mod class;
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
