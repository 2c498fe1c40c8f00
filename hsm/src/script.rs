//! Issuer scripts: a command that the issuer sends to a card with its answer, authenticated and where needed enciphered
//! under keys of that card and that transaction.
use codecs::value::{Pan, PinBlock};

use crate::edge::PinFormat;
use crate::name::{KeyName, KeySet};

/// One command for one card. It answers the cryptogram that the card sent with this transaction.
#[derive(Debug, Clone)]
pub struct ScriptOrder {
    /// The PAN that the card's keys derive from.
    pub presented: Pan,
    /// Whose `imk-smi` (integrity) and `imk-smc` (confidentiality) apply.
    pub keys: KeySet,
    /// PAN sequence number, 0 to 99.
    pub psn: u8,
    /// Tag 9F26.
    pub cryptogram: [u8; 8],
    /// Tag 9F36.
    pub atc: [u8; 2],
    /// Tag 9F10: the cryptogram version also determines how script keys are made.
    pub iad: Vec<u8>,
    /// CLA, INS, P1 and P2; the length is counted here.
    pub header: [u8; 4],
    pub data: ScriptData,
}

/// Data of a script command.
#[derive(Debug, Clone)]
pub enum ScriptData {
    /// Bytes that anybody may see; often none (block, unblock).
    Open(Vec<u8>),
    /// Bytes that only the card may see.
    Enciphered(Vec<u8>),
    /// A new PIN, from a PIN block that binds to the presented PAN.
    NewPin(EnteredPin),
}

/// A PIN block with the values needed to decipher it.
#[derive(Debug, Clone)]
pub struct EnteredPin {
    pub block: PinBlock,
    /// The zone PIN key it arrived under.
    pub zone_key: KeyName,
    pub format: PinFormat,
}

/// Result of a script order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptOutcome {
    /// The whole command, header to MAC, as it stands in tag 86 of templates 71 and 72.
    Made(Vec<u8>),
    /// This version's script keys mix the card's key with data, for which this module has no mechanism. For a fast key set the
    /// daemon computes them itself.
    NotPossibleHere,
    /// A cryptogram version whose scripts are not computed here (the byte from 9F10), or that takes none.
    UnknownVersion(u8),
    /// The deciphered block is not a PIN block for this PAN.
    FormatError,
}
