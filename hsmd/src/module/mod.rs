//! The interface that the verbs need of a cryptographic module.
//!
//! Two implementations: [`crate::token::Token`] over PKCS#11, and [`crate::verbs::software::SoftwareModule`] in memory, for tests.
//! The verbs are written once over this trait.
pub(crate) mod generation;
pub(crate) mod key_generations;
pub(crate) mod key_kind;

use hsm::{HsmError, KeyName};
use zeroize::Zeroizing;

use key_generations::{KeyGenerations, StoredGenerations};
use key_kind::KeyKind;

/// Why an operation of the module failed, by whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// No such key.
    #[error("no key {0}")]
    KeyMissing(String),
    /// The request is at fault.
    #[error("{0}")]
    Request(&'static str),
    /// The use is against policy.
    #[error("refused: {0}")]
    Refused(&'static str),
    /// The module is at fault: it must be reopened before it can be relied on.
    #[error("module: {0}")]
    Device(String),
}

impl From<Fault> for HsmError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::KeyMissing(name) => Self::KeyMissing(name),
            Fault::Request(why) => Self::BadInput(why),
            Fault::Refused(why) => Self::Denied(why),
            Fault::Device(_) => Self::Unavailable("the module failed"),
        }
    }
}

/// A cryptographic module with its static keys.
///
/// Keys are handles; a handle to a temporary object destroys the object when its last clone is dropped. Blocks are single
/// cipher blocks; only functions whose name has `chain` chain them.
pub(crate) trait Module {
    type Key: Clone;

    /// The static key of this name.
    fn find(&self, name: &KeyName) -> Result<Self::Key, Fault>;
    /// The generations of a key that has been rotated; `None` for one that never was.
    fn generations(&self, _name: &KeyName) -> Option<KeyGenerations> {
        None
    }
    /// Sets the generations of all rotated keys, and which of them are current at this Unix time.
    fn set_generations(&self, _generations: &StoredGenerations, _now_s: i64) {}
    /// The kind of a key, which also determines its cipher.
    fn kind(&self, key: &Self::Key) -> KeyKind;
    /// Fills `out` from the module's random generator.
    fn random(&self, out: &mut [u8]) -> Result<(), Fault>;

    fn des_encrypt(&self, key: &Self::Key, block: &[u8; 8]) -> Result<[u8; 8], Fault>;
    fn des_decrypt(&self, key: &Self::Key, block: &[u8; 8]) -> Result<[u8; 8], Fault>;
    /// Last block of the CBC encryption of `data` (whole blocks) with a zero IV.
    fn des_chain(&self, key: &Self::Key, data: &[u8]) -> Result<[u8; 8], Fault>;

    fn aes_encrypt(&self, key: &Self::Key, block: &[u8; 16]) -> Result<[u8; 16], Fault>;
    fn aes_decrypt(&self, key: &Self::Key, block: &[u8; 16]) -> Result<[u8; 16], Fault>;
    fn aes_cmac(&self, key: &Self::Key, data: &[u8]) -> Result<[u8; 16], Fault>;
    /// AES-GCM: ciphertext and 16-byte tag.
    fn seal(&self, key: &Self::Key, nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault>;
    /// `None` if the tag does not hold.
    fn open(
        &self,
        key: &Self::Key,
        nonce: &[u8; 12],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault>;
    fn hmac_sha256(&self, key: &Self::Key, data: &[u8]) -> Result<[u8; 32], Fault>;

    /// A temporary double-length DES key whose halves are the encryptions of the halves of `data`, with odd parity.
    fn derive(&self, key: &Self::Key, data: &[u8; 16]) -> Result<Self::Key, Fault>;
    /// The same key in clear, for a delivery item.
    fn derive_exposed(&self, key: &Self::Key, data: &[u8; 16]) -> Result<Zeroizing<[u8; 16]>, Fault>;

    /// A temporary key of a kind, `length` bytes of the encryption of `data` (whole blocks) under the base key. DES keys get
    /// odd parity.
    fn derive_as(&self, base: &Self::Key, kind: KeyKind, data: &[u8], length: usize) -> Result<Self::Key, Fault>;
    /// Length of a key in bytes.
    fn length(&self, key: &Self::Key) -> Result<usize, Fault>;

    /// A temporary key from clear bytes that the caller has drawn or was given.
    fn import(&self, kind: KeyKind, value: &[u8]) -> Result<Self::Key, Fault>;
    /// AES key wrap (RFC 3394) of an imported key.
    fn wrap(&self, storage: &Self::Key, key: &Self::Key) -> Result<Vec<u8>, Fault>;
    /// A temporary key from its wrap; `None` if the wrap's integrity check does not hold.
    fn unwrap(&self, storage: &Self::Key, wrap: &[u8], kind: KeyKind) -> Result<Option<Self::Key>, Fault>;
    /// The wrap under another storage key; `None` if its integrity check does not hold.
    fn rewrap(&self, from: &Self::Key, to: &Self::Key, wrap: &[u8], kind: KeyKind) -> Result<Option<Vec<u8>>, Fault>;
}
