//! Working keys that come from partners and go to them, as TR-31 key blocks; check values.
use crate::key_block::{KeyBlock, KeyUsage};
use crate::name::KeyName;

/// Result of importing a partner's key block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyImportOutcome {
    Imported(ImportedKey),
    /// The block's MAC is not right: altered on its way, or made under another protection key.
    NotAuthentic,
    /// It is no TR-31 block of version B or D.
    Malformed,
    /// The key is for something that a working key here cannot do, or for one direction only.
    UsageNotOffered,
    /// Triple-length DES, for example.
    LengthNotOffered,
    /// A DES key with equal or weak halves; an AES key of one repeated byte.
    Weak,
}

/// A working key as it is stored from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedKey {
    pub key: KeyBlock,
    /// To be compared with the partner's check values.
    pub check_values: CheckValues,
}

/// Check values of a key, by which two parties see that they hold the same one: six hex digits each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckValues {
    /// First three bytes of the encryption of a zero block: what partners compare for DES keys, and some for AES keys.
    pub zeros: String,
    /// First three bytes of the AES-CMAC of a zero block (ANSI X9.24-1); AES keys only.
    pub cmac: Option<String>,
}

/// A working key to be drawn and exported to a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrder {
    pub usage: KeyUsage,
    /// The key block protection key shared with the partner, `kbpk/<partner>`.
    pub under: KeyName,
    /// Two letters or digits that number the keys of this use; `00` if they are not numbered.
    pub key_version: [u8; 2],
}

/// A key that was drawn for a partner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// For this side.
    pub key: KeyBlock,
    /// For the partner. It cannot be made again later.
    pub tr31: String,
    pub check_values: CheckValues,
}
