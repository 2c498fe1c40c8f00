//! The stage: a private Postgres, a private SoftHSM token, and the real programs, each as its own process on free ports, for demos
//! and tests of the whole system. The programs are watched, restarted when they die, and stopped when the stage is dropped.
//!
//! No code here takes part in a payment; the programs are observed from outside, as by a terminal.

pub mod config;
pub mod demo;
pub mod kill_loop;
pub mod layout;
pub mod measure;
pub mod memory;
pub mod memory_scan;
pub mod pin_tries;
pub mod population;
pub mod ports;
pub mod postgres;
pub mod power_cuts;
pub mod probe;
pub mod secret_search;
pub mod settlement_bench;
pub mod stage;
pub mod supervisor;
pub mod tap;
pub mod tool;

pub use layout::Layout;
pub use stage::{Options, Stage, StageTimers};
pub use supervisor::{Program, Supervisor};
pub use tool::Tool;
