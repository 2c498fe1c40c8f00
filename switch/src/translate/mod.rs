//! Between the dialects: originators speak 1987 packed or in characters, the host 1987 with private elements, the
//! foreign issuer 1993. What is inside the switch is the host's form; the others are made from it and read into it.

pub mod answer;
pub mod canonical;
pub mod network;
pub mod outcome;
pub mod strip;
pub mod v93;
pub mod wire;

pub use canonical::Stamps;
pub use outcome::Outcome;
pub use wire::BuildError;
