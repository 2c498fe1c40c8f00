//! The card switch: listens, translates, routes, matches answers, reverses what timed out, stores and forwards.
//!
//! `core` and the modules it calls hold no socket, no file and no clock: an event and the time go in, effects come
//! out. `running` does the effects; `store`, `admin`, `run` and `running` are all that touches the world.

pub mod admin;
pub mod config;
pub mod core;
pub mod duplicates;
pub mod event;
pub mod identity;
pub mod metrics;
pub mod reversal;
pub mod route;
pub mod run;
pub mod saf;
pub mod store;
pub mod terminals;
pub mod termination;
pub mod trace;
pub mod translate;

mod arrival;
mod business_day;
mod completion;
mod cut_over;
mod drain;
mod edge;
mod ending;
mod inbound;
mod journal;
mod network;
mod operator;
mod outbound;
mod owed;
mod reconciliation;
mod reply;
mod request;
mod response;
mod restore;
mod running;
mod time_out;
mod under_way;
mod undo;
