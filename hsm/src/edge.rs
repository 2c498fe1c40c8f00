//! The switch's compound verb: check a message's MAC and re-encipher its PIN, in one job.
use bytes::Bytes;
use codecs::value::{Mac, Pan, PinBlock};
use subtle::ConstantTimeEq;

use crate::dukpt::{AesTransaction, TdesTransaction};
use crate::key_block::KeyBlock;
use crate::name::KeyName;

/// One message at the edge. Absent parts are not done.
#[derive(Debug, Clone)]
pub struct EdgeCheck {
    pub mac: Option<MacCheck>,
    pub pin: Option<PinTranslation>,
}

/// A MAC to be verified.
#[derive(Debug, Clone)]
pub struct MacCheck {
    pub key: MacKey,
    /// The bytes it covers, raw as they came off the wire.
    pub data: Bytes,
    /// DE 64 or 128.
    pub mac: Mac,
}

impl MacCheck {
    /// Whether the message carries this MAC; takes as long wherever they differ, or a MAC could be guessed byte by byte.
    pub fn holds(&self, expected: &Mac) -> bool {
        self.mac.0.ct_eq(&expected.0).into()
    }
}

/// Which key makes or checks a MAC; the algorithm is a property of the key.
#[derive(Debug, Clone)]
pub enum MacKey {
    /// A terminal's TAK.
    Terminal(KeyBlock),
    /// A key of the token, such as `audit` or a zone's `zak/<zone>`.
    Named(KeyName),
    /// The key of one transaction of a DUKPT terminal: MACs from the terminal are checked under the key of requests, MACs to it are
    /// made under the key of responses. X9.19 under DES, CMAC under AES.
    DukptTdes(TdesTransaction),
    DukptAes(AesTransaction),
}

/// A PIN block on its way from one zone to the next.
#[derive(Debug, Clone)]
pub struct PinTranslation {
    pub from: PinKey,
    pub from_format: PinFormat,
    pub block: PinBlock,
    /// The PAN the block binds to, as the terminal saw it.
    pub pan: Pan,
    /// A zone's key, by name or as a working key's block. A DUKPT terminal is no target.
    pub to: PinKey,
    pub to_format: PinFormat,
}

/// The key a PIN block is under.
#[derive(Debug, Clone)]
pub enum PinKey {
    /// A terminal's TPK, or a zone's working key that a partner sent.
    Terminal(KeyBlock),
    /// A partner's zone PIN key.
    Zone(KeyName),
    /// The key of one transaction of a DUKPT terminal.
    DukptTdes(TdesTransaction),
    DukptAes(AesTransaction),
}

/// PIN block formats of ISO 9564-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinFormat {
    /// PAN-bound, fill F, 8 bytes.
    Iso0,
    /// Bound to no PAN, random fill, 8 bytes. A target for format 1 alone: anything else could be moved to another card by
    /// way of it.
    Iso1,
    /// PAN-bound, random fill A to F, 8 bytes.
    Iso3,
    /// PAN-bound, 16 bytes under AES.
    Iso4,
}

/// Verdict on a message at the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeVerdict {
    pub mac: Option<MacOutcome>,
    /// Absent also when the MAC was wrong: an unauthenticated block is not touched.
    pub pin: Option<TranslationOutcome>,
}

/// Verdict on a MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacOutcome {
    Ok,
    Wrong,
}

/// Result of a PIN translation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TranslationOutcome {
    Translated(PinBlock),
    /// The deciphered block is not a PIN block of that format for this PAN.
    FormatError,
}
