//! Clearing: the file in which one side presents its captures to the other, and what becomes of each presentment.
//!
//! | what | module |
//! |---|---|
//! | records as values, to and from messages | [`record`] · |
//! | the acquirer's reference and its check digit | [`reference`] · |
//! | a file written, totals included | [`writer`] · |
//! | a file read, everything verified before anything of it is used | [`reader`] · |
//! | presentment ↔ authorization | [`matching`] · |
//! | the control file beside a clearing file | [`control`] · |
//! | our captures of foreign cards → presentments | [`outgoing`] · |
//! | the tables | [`store`] ▶ |
//! | `authhost present-in` | [`present_in`] ▶ |

pub mod control;
pub mod matching;
pub mod outgoing;
pub mod present_in;
pub mod reader;
pub mod record;
pub mod reference;
pub mod store;
pub mod writer;

use std::collections::BTreeMap;

use serde::Deserialize;

/// How we clear, and with whom.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Dialect of the records that we write; what comes in is read in it, or in its EBCDIC form.
    pub dialect: String,
    /// PDS 0122 of our files: production or test. A file of the other kind is refused.
    pub processing: record::ProcessingMode,
    /// Institution number of each destination of the switch whose issuer decides for cards at our merchants.
    pub issuers: BTreeMap<String, String>,
}
