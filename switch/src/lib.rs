//! The card switch: listens, translates, routes, matches answers, reverses what timed out, stores and forwards.
//!
//! `core` and the modules it calls hold no socket, no file and no clock: an event and the time go in, effects come
//! out. `running` does the effects; `store`, `admin`, `run` and `running` are all that touches the world.

pub mod admin;
pub mod config;
pub mod core;
pub mod event;
pub mod metrics;
pub mod run;
pub mod store;
pub mod termination;

mod advice;
mod business_day;
mod destination;
mod exchange;
mod intake;
mod life_cycle;
mod now;
mod numbers;
mod parts;
mod reversal;
mod running;
mod saf;
mod translate;
mod turn;
