//! How each program shows itself: JSON logs on standard error, and a status address with metrics and health.
//!
//! It knows nothing of cards. What may be logged is decided by the types that are logged: secrets have no `Display`.

mod log;
mod status;

pub use log::init_log;
pub use status::{Health, StatusError, describe_histogram, serve_status};
