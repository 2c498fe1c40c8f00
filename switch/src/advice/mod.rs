//! Advices: those that originators send, and the 0220 to the host for a sale that a foreign issuer approved.
//!
//! core.rs calls it with each advice of an originator, exchange/ with each approval by a foreign issuer. It keeps no
//! state: an advice goes into store and forward (saf/), and only then the originator gets its acknowledgement or its
//! approval.
//!
//! | file | contents |
//! |---|---|
//! | received.rs | an advice of an originator: completion of a pre-authorization, or sale decided offline |
//! | acquired.rs | the advice to the host for a sale of our own terminal with a foreign card |

mod acquired;
mod received;

pub(crate) use acquired::{AcquiredSale, enqueue_acquired};
pub(crate) use received::{handle, knows_original};
