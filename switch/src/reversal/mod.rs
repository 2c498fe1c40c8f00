//! Reversals: those that originators send, and those that the switch makes because the outcome of a request is unknown.
//!
//! core.rs calls it with each reversal of an originator; exchange/ and core/restore.rs call it for a request without an
//! answer. It keeps no state: a reversal goes into store and forward (saf/), and only then the originator gets its
//! acknowledgement or its 91.
//!
//! | file | contents |
//! |---|---|
//! | received.rs | a 0400 or 0420 of an originator: its original, what is reversed, its acknowledgement |
//! | made.rs | the switch's own reversal of a request whose outcome is unknown |
//! | message.rs | the 0420 itself |

mod made;
mod message;
mod received;

pub(crate) use made::{Covered, ToReverse, cover};
pub(crate) use message::has_effect;
pub(crate) use received::handle;
