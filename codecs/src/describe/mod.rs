//! Messages for people: elements by name, codes in words, composites taken apart – and nothing shown that must not be.
//!
//! Everything here is text made from a [`Message`]; card numbers come out masked, and tracks, PIN blocks and security
//! codes as their length.

mod clearing;
pub mod emv;
mod excerpt;
mod explain;
mod markdown;
mod meaning;
mod names;
mod paint;
mod parts;
mod table;
pub mod words;

pub use explain::{Line, explain, lines, render};
pub use markdown::markdown;
pub use meaning::meaning;
pub use names::element_name;
pub use paint::Style;
pub use parts::{Part, parts};

use crate::Message;
