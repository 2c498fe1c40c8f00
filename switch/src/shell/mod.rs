//! All of the switch that touches the world.
//!
//! | file | what it touches |
//! |---|---|
//! | run.rs | configuration, files and sockets at the start |
//! | running.rs | the clock, the links, the HSM: it runs the core and does its effects |
//! | store/ | the pending log |
//! | admin.rs | the operator's address |
//! | termination.rs | signals |

mod admin;
mod run;
mod running;
pub(crate) mod store;
mod termination;

pub use run::{Bound, is_mistake, run, run_with_key};
pub use termination::Termination;
