//! One batch of requests, decided in order of arrival on the rows loaded under lock. Pure: no clock, no SQL.
//!
//! A later request of the batch sees the effects of the earlier ones, as if each had been committed alone.

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
