//! One batch of requests, folded in order of arrival over the rows that were loaded under lock. Pure: no clock, no SQL.
//!
//! A later request of the batch sees what an earlier one did, exactly as if each had been committed alone.

mod effects;
mod entry;
mod fold;
mod ids;
mod item;
#[cfg(test)]
mod tests;
mod why;

pub use fold::{Batch, Outcome, fold};
pub use ids::Ids;
pub use item::Item;
