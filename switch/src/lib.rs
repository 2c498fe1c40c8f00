//! The card switch: takes messages of terminals and acquirers, checks MACs, translates PIN blocks and dialects, routes
//! requests to our host and to foreign issuers, matches answers, reverses requests that timed out, stores and forwards.
//!
//! `core` and the parts that it calls hold no socket, no file and no clock: an event and the time go in, effects come
//! out. The head of core.rs says which part handles which event. `shell` has sockets, clock, the pending log, the
//! operator's address and signals: it feeds the core with events and carries out its effects.

pub mod config;
pub mod core;
pub mod data_key;
pub mod event;
pub mod shell;

mod advice;
mod business_day;
mod destination;
mod exchange;
mod fingerprint;
mod intake;
mod life_cycle;
mod metrics;
mod now;
mod numbers;
mod parts;
mod recall;
mod record;
mod reversal;
mod saf;
mod translate;
mod turn;
