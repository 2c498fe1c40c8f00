//! One batch of requests, decided in order of arrival on the rows loaded under lock. Pure: no clock, no SQL.
//!
//! A later request of the batch sees the effects of the earlier ones, as if each had been committed alone.

mod effects;
mod fold;
mod ids;
mod journal_row;
#[cfg(test)]
mod model;
mod prepared_request;
mod related_rows;
mod stored_facts;
#[cfg(test)]
mod tests;

pub use fold::{Batch, Outcome, fold};
pub use ids::Ids;
pub use prepared_request::PreparedRequest;
pub use stored_facts::conversion_rate;
