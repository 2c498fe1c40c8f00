//! The card switch: listens, translates, routes, matches answers, reverses what timed out, stores and forwards.
//!
//! `core` and the parts that it calls hold no socket, no file and no clock: an event and the time go in, effects come
//! out. `shell` is all that touches the world: sockets, the pending log, the operator's address, signals.

pub mod config;
pub mod core;
pub mod data_key;
pub mod event;
pub mod shell;

mod advice;
mod business_day;
mod destination;
mod exchange;
mod intake;
mod life_cycle;
mod metrics;
mod now;
mod numbers;
mod parts;
mod record;
mod reversal;
mod saf;
mod translate;
mod turn;
