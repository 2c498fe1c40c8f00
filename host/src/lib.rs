//! The authorization host: authorizes and posts for the cards of one issuer and the merchants of one acquirer.
//!
//! A request passes these modules in this order. `·` is a function of its arguments, time included; `▶` does I/O.
//!
//! | stage | module |
//! |---|---|
//! | connections and their requests in progress (`link::driver` has the socket) | [`serve`] ▶ |
//! | message → answer, by the modules below | [`respond`] ▶ |
//! | message → request | [`request`] · |
//! | an amount in another currency → in that of our accounts | [`billing`] · |
//! | PAN → card row and the HSM's verdict | [`facts`] ▶ |
//! | queued requests → rows under lock → … → commit | [`lanes`] ▶ |
//! | the batch, in order of arrival | [`batch`] · |
//! | printed codes that are guessed at a merchant | [`guesses`] · |
//! | request and facts → decision | [`authorize`] · |
//! | decision → journal row and posting | the crate `ledger` · ▶ |
//! | commit receipt → answer | [`answer`] · |
//!
//! No module here names an element by number, and no pure module reads a clock.

pub mod anchors;
pub mod answer;
pub mod authorize;
pub mod batch;
pub mod billing;
pub mod config;
#[expect(clippy::disallowed_methods, reason = "shell: measures stages")]
pub mod facts;
pub mod guesses;
pub mod lanes;
mod metric_help;
mod readiness;
pub mod request;
#[expect(clippy::disallowed_methods, reason = "shell: reads the clock for the requests it takes in")]
pub mod respond;
#[expect(clippy::disallowed_methods, reason = "shell: starts tasks and reads the clock")]
pub mod run;
#[expect(clippy::disallowed_methods, reason = "shell: measures the whole of a request")]
pub mod serve;
pub mod totals;

pub use config::Config;

#[cfg(test)]
extern crate self as host;
#[cfg(test)]
#[path = "../tests/sample/mod.rs"]
mod sample;
