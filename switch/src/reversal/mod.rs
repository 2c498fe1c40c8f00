//! Reversals: those that originators send, and those that the switch owes because an outcome is not known.
//!
//! | file | question |
//! |---|---|
//! | received.rs | what an originator's 0400 or 0420 takes back, and when it is acknowledged |
//! | made.rs | the reversal that a request without a known outcome is covered by |
//! | message.rs | the 0420 itself |

mod made;
mod message;
mod received;

pub(crate) use made::{Covered, Subject, cover};
pub(crate) use message::has_effect;
pub(crate) use received::take;
