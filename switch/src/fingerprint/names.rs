//! Hashes of what fingerprints are found by. They are keyed, so that no peer can choose two requests with one hash, and
//! the same after a restart.

use crate::data_key::DataKey;
use codecs::originator::OriginatorKey;
use codecs::value::{Rrn, Stan};
use siphasher::sip::SipHasher24;
use std::fmt;
use std::hash::Hasher;

/// 40 bits of a hash of a request's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Named(pub u64);

/// The bits of a hash that a fingerprint keeps.
pub(super) const BITS: u32 = 40;
const MASK: u64 = (1 << BITS) - 1;

/// A retrieval reference number: as a number if it is one of twelve digits, else as 40 bits of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RrnMark {
    Number(u64),
    Hash(u64),
}

impl RrnMark {
    /// The reference number, if it is known.
    pub fn rrn(self) -> Option<Rrn> {
        match self {
            Self::Number(number) => Rrn::new(&format!("{number:012}")),
            Self::Hash(_) => None,
        }
    }
}

/// Computes the hashes.
#[derive(Clone, Copy)]
pub struct Names(SipHasher24);

impl Names {
    pub fn new(key: &DataKey) -> Self {
        let key = key.derive("fingerprints", b"");
        Self(SipHasher24::new_with_key(key[..16].try_into().expect("a key has 32 bytes")))
    }

    /// Of a request's key, and the number of its class and of whether it is an advice.
    pub fn identity(&self, key: &OriginatorKey, number: u8) -> Named {
        // a row without identity was never written
        Named((self.hash(1, &[key.as_str().as_bytes(), &[number]]) & MASK).max(1))
    }

    /// Of link, terminal and trace number.
    pub fn stan(&self, link: &str, terminal: &str, stan: Stan) -> u64 {
        self.hash(2, &[link.as_bytes(), terminal.as_bytes(), &stan.0.to_be_bytes()])
    }

    /// Of link, terminal and retrieval reference number.
    pub fn rrn(&self, link: &str, terminal: &str, rrn: &str) -> u64 {
        self.hash(3, &[link.as_bytes(), terminal.as_bytes(), rrn.as_bytes()])
    }

    pub fn rrn_mark(&self, rrn: &str) -> RrnMark {
        match rrn.parse() {
            Ok(number) if rrn.len() == 12 && rrn.bytes().all(|byte| byte.is_ascii_digit()) => RrnMark::Number(number),
            _ => RrnMark::Hash(self.hash(4, &[rrn.as_bytes()]) & MASK),
        }
    }

    /// A mark of a destination's name.
    pub fn destination(&self, name: &str) -> u16 {
        self.hash(5, &[name.as_bytes()]) as u16
    }

    fn hash(&self, kind: u8, parts: &[&[u8]]) -> u64 {
        let mut hasher = self.0;
        hasher.write(&[kind]);
        for part in parts {
            // no part of ours is as long, so that the parts cannot run into each other
            hasher.write(&[part.len() as u8]);
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Names")
    }
}
