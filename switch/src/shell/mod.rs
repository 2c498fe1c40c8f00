//! The shell around the core: sockets, clock, tasks, files and signals. It turns reports of connections, replies of the
//! HSM and commands of operators into events, and carries out the core's effects.
//!
//! | file | contents |
//! |---|---|
//! | run.rs | the start: files are read, the pending log, listeners and connections are opened |
//! | running.rs | the loop that runs the core and carries out its effects; the shutdown |
//! | store/ | the pending log, the fingerprints, the room set aside |
//! | disk.rs | whether the disk has room |
//! | descriptors.rs | the limit on open files: what listeners may take of it |
//! | admin.rs | the operator's commands, over HTTP |
//! | termination.rs | signals that end the program |

mod admin;
mod descriptors;
mod disk;
mod run;
mod running;
pub(crate) mod store;
mod termination;

pub use run::{Bound, is_mistake, repair, run, run_with_key};
pub use store::log::Repaired;
pub use termination::Termination;
