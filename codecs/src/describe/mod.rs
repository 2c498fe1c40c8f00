//! Messages as text for people: elements by name, codes in words, composites cut into parts, secrets hidden.
//!
//! Everything here is made from a [`Message`]. Card numbers are masked; of tracks, PIN blocks and security codes only
//! the length is shown.

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

pub use explain::{ExplainedElement, explain, explained_elements, render};
pub use markdown::markdown;
pub use meaning::meaning;
pub use names::element_name;
pub use paint::Style;
pub use parts::{Part, parts};

use crate::Message;
