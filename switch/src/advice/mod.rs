//! Advices: those that originators send, and the one that the host is owed for a sale that a foreign issuer approved.

mod acquired;
mod received;

pub(crate) use acquired::{AcquiredSale, owe_acquired};
pub(crate) use received::take;
