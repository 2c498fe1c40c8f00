//! Sealing of records: AES-256-GCM under a key per segment, derived from the data key.

use crate::data_key::DataKey;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};

pub const SALT_BYTES: usize = 16;
pub const TAG_BYTES: usize = 16;

/// Seals one segment's records. The nonce is the record's place in the segment: a segment is never written to again
/// after a restart, so no nonce comes twice under its key.
pub struct SegmentSeal(Aes256Gcm);

impl SegmentSeal {
    pub fn new(key: &DataKey, salt: &[u8; SALT_BYTES]) -> Self {
        Self(Aes256Gcm::new_from_slice(&*key.derive("pending-log segment", salt)).expect("the key has 32 bytes"))
    }

    /// Encrypts `record` in place and appends the tag.
    pub fn seal(&self, place: u64, record: &mut Vec<u8>) {
        let tag = self.0.encrypt_in_place_detached(&nonce(place), b"", record).expect("a record is short");
        record.extend_from_slice(&tag);
    }

    /// Decrypts in place; `None` if these bytes were not sealed at this place under this key.
    pub fn open<'r>(&self, place: u64, sealed: &'r mut [u8]) -> Option<&'r [u8]> {
        let (record, tag) = sealed.split_at_mut(sealed.len().checked_sub(TAG_BYTES)?);
        self.0.decrypt_in_place_detached(&nonce(place), b"", record, Tag::from_slice(tag)).ok()?;
        Some(record)
    }
}

fn nonce(place: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&place.to_be_bytes());
    nonce.into()
}
