//! The stage on which Switchyard is shown and tested: a private Postgres, a private SoftHSM token, and the real programs,
//! each as its own process, started on free ports, watched, restarted when they die, and gone when the stage is gone.
//!
//! Nothing here decides anything about a payment; what the programs do is seen from outside, as a terminal would see it.

pub mod config;
pub mod demo;
pub mod errand;
pub mod kill_loop;
pub mod layout;
pub mod measure;
pub mod memory;
pub mod memory_scan;
pub mod pin_tries;
pub mod population;
pub mod ports;
pub mod postgres;
pub mod probe;
pub mod stage;
pub mod supervisor;
pub mod sweep;
pub mod tap;

pub use errand::Tool;
pub use layout::Layout;
pub use stage::{Options, Pace, Stage};
pub use supervisor::{Program, Supervisor};
