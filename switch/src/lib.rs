//! The card switch: listens, translates, routes, matches answers, reverses what timed out, stores and forwards.

pub mod config;
pub mod store;
