//! Translation between dialects. Originators use ISO 8583:1987, packed or in characters; the host uses 1987 with
//! private elements; the foreign issuer uses 1993. The switch forwards and stores messages in the host's dialect: an
//! originator's message is translated into it, and from it into the dialect of a foreign destination.
//!
//! | file | contents |
//! |---|---|
//! | canonical.rs | an originator's message in the host's dialect, and the switch's stamps on it |
//! | wire.rs, v93.rs | a message for a destination, from the host's dialect; 1987 to 1993 |
//! | outcome.rs | the decision in a destination's answer |
//! | answer.rs | the answer to an originator |
//! | network.rs | network management messages with destinations |
//! | strip.rs | removal of sensitive elements |

pub mod answer;
pub mod canonical;
pub mod network;
pub mod outcome;
pub mod strip;
pub mod v93;
pub mod wire;

pub use canonical::Stamps;
pub use outcome::{Contradiction, Outcome};
pub use wire::BuildError;
