//! Closing a business day. It touches the world; what it writes is computed by `clearing` and `settlement`.
//!
//! ```text
//! open ──cut-over──► closing ──close-day──► closed ──► batch written ──► files written
//!        (0800/201)  stragglers  one flag,              one transaction   each whole or not at all
//!                    are taken   all lanes held off
//! ```
//!
//! From the flag on, no transaction can join the cycle: everything after it is a function of rows that do not change, so
//! closing again – after it was killed anywhere, or for no reason – writes the same bytes.

mod day;
mod failpoint;
mod files;
mod places;
mod render;
mod store;
mod vault;

pub use day::{CloseError, Closed, close_day};
pub use files::WrittenFile;
pub use vault::PanVault;
