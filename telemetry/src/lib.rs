//! Logs, metrics and health of every program: JSON logs on standard error, and a status address for the rest.
//!
//! The crate is independent of cards. The types that are logged decide what may appear: secrets have no `Display`.

mod log;
mod status;

pub use log::init_log;
pub use status::{Health, NotReady, StatusError, describe_histogram, serve_status};
