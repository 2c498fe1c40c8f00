//! Clearing: the files in which acquirers present their captures to issuers, and the matching of presentments.
//!
//! `·` is pure, `▶` does I/O.
//!
//! | what | module |
//! |---|---|
//! | records as values, to and from messages | [`record`] · |
//! | acquirer reference number and its check digit | [`reference`] · |
//! | countries of ISO 3166-1 | [`country`] · |
//! | writing a file, with its totals | [`writer`] · |
//! | reading a file, all of it verified before any of it is used | [`reader`] · |
//! | presentment ↔ what we approved | [`matching`] · |
//! | what the host has to capture for a presentment | [`advice`] · |
//! | telling the host | [`host_link`] ▶ |
//! | the control file beside a clearing file | [`control`] · |
//! | our captures of foreign cards → presentments | [`outgoing`] · |
//! | the tables | [`store`] ▶ |
//! | `backoffice present-in` | [`present_in`] ▶ |

pub mod advice;
pub mod control;
pub mod country;
pub mod host_link;
pub mod matching;
pub mod outgoing;
pub mod present_in;
pub mod reader;
pub mod record;
pub mod reference;
pub mod store;
pub mod writer;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Deserialize;

/// Settings of clearing: file format and partners.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Dialect of the records we write. Files of others are read in it or in its EBCDIC form.
    pub dialect: String,
    /// PDS 0122 of our files: production or test. A file with the other value is refused.
    pub processing: record::ProcessingMode,
    /// Where the host listens: what a file has to capture is told there, as by the switch.
    pub host_address: SocketAddr,
    /// Dialect and framing of that connection.
    pub host_dialect: String,
    pub host_framing: String,
    /// Institution number of the issuer behind each destination of the switch.
    pub issuers: BTreeMap<String, String>,
}
