//! Logs, metrics and health of every program: JSON logs on standard error, a status address for the rest, and the tasks
//! without which a program is no good.
//!
//! The crate is independent of cards. The types that are logged decide what may appear: secrets have no `Display`.

mod http;
mod lasting;
mod log;
mod log_limit;
mod status;

pub use http::{HttpListener, for_local_programs, serve_http};
pub use lasting::{LastingTasks, TaskLost};
pub use log::{LogWriter, init_log};
pub use status::{Health, NotReady, Ready, StatusError, describe_histogram, serve_status};
