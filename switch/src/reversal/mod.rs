//! Reversals: those that originators send, and those that the switch makes for requests without a usable outcome.
//!
//! core.rs calls it with each reversal of an originator. The reversal is acknowledged (00) once everything that it needs is
//! in store and forward (saf/), on the disk: one message to the original's destination, for an acquired sale one to the
//! host before it, and nothing if the original was declined, timed out, reversed already, or moves no money. It does not
//! wait for the destination's answer. If a message cannot be queued, there is no acknowledgement, and the originator
//! repeats; a reversal that cannot be read is answered 30. A reversal of an unknown original is passed on to the host, and
//! remembered: its original may come yet.
//!
//! exchange/ and core/restore.rs call it for a request of their own that ends without an answer: its reversal is queued
//! before exchange/ answers 91. It keeps no state.
//!
//! | file | contents |
//! |---|---|
//! | received.rs | a 0400 or 0420 of an originator: what is reversed, its acknowledgement |
//! | original.rs | which request it reverses |
//! | made.rs | the switch's own reversal of a request without a usable outcome |
//! | message.rs | the 0420 itself |

mod made;
mod message;
mod original;
mod received;

pub(crate) use made::{Covered, ToReverse, cover, read_with_effect};
pub(crate) use original::is_known as knows_original;
pub(crate) use received::handle;
