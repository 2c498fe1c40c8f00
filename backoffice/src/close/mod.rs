//! Closing a business day: the only part of the back office that writes settlement batches. The computing is done by
//! [`clearing`](crate::clearing) and [`settlement`](crate::settlement).
//!
//! ```text
//! open ──cut-over──► closing ──close-day──► closed ──► batch written ──► files written
//!        (0800/201)  late      one change of state,    one transaction   each whole or not at all
//!                    messages  all lanes wait for it
//!                    accepted
//! ```
//!
//! Once the day is closed no transaction can join its cycle. Everything after that is computed from rows that do not
//! change, so closing again, after a kill at any point or for no reason, writes the same bytes.

mod day;
mod failpoint;
mod file_assignment;
mod files;
mod render;
mod store;
mod vault;

pub use day::{CloseError, Closed, close_day};
pub use files::WrittenFile;
pub use vault::PanVault;
