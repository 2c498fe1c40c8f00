//! The idempotency key of a request, made of elements that its originator sent: link, DE41, DE42, DE11, DE12 and DE13.
//! Repeats are recognized by it, and it is carried unchanged to the host.

use crate::data_key::DataKey;
use crate::fingerprint::Prefix;
use codecs::originator::{KeyElements, OriginatorKey};
use codecs::value::{Minor, Pan, ProcessingCode, Stan};
use codecs::{DecodeError, Message, de};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// The originator key of a message.
///
/// # Errors
/// An element of the key is present and malformed.
pub fn key_of(link: &str, message: &Message) -> Result<OriginatorKey, DecodeError> {
    with_stan(link, message, message.get::<de::Stan>()?)
}

/// The originator key of the transaction that a reversal reverses. A terminal repeats the original's DE11; an acquirer
/// names it in DE90 and repeats DE12, 13, 41 and 42.
///
/// # Errors
/// As [`key_of`].
pub fn key_of_original(link: &str, message: &Message) -> Result<OriginatorKey, DecodeError> {
    let stan = match message.get::<de::OriginalData>()? {
        Some(original) => Some(original.stan),
        None => message.get::<de::Stan>()?,
    };
    with_stan(link, message, stan)
}

fn with_stan(link: &str, message: &Message, stan: Option<Stan>) -> Result<OriginatorKey, DecodeError> {
    let elements = KeyElements {
        terminal: message.get::<de::TerminalId>()?,
        merchant: message.get::<de::MerchantId>()?,
        stan,
        time: message.get::<de::LocalTime>()?,
        date: message.get::<de::LocalDate>()?,
    };
    Ok(OriginatorKey::new(link, &elements))
}

/// A card in memory and in the pending log: a keyed hash of its PAN, from which the PAN cannot be found without the
/// key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct CardIndex(pub [u8; 16]);

/// A keyed hash of card, amount, currency and processing code: the same in a request and its repeats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Content(pub [u8; 16]);

impl CardIndex {
    /// As much as a fingerprint keeps of it.
    pub(crate) fn prefix(self) -> Prefix {
        first_bytes(self.0)
    }
}

impl Content {
    /// As much as a fingerprint keeps of it.
    pub(crate) fn prefix(self) -> Prefix {
        first_bytes(self.0)
    }
}

fn first_bytes([a, b, c, d, e, ..]: [u8; 16]) -> Prefix {
    [a, b, c, d, e]
}

/// Computes [`CardIndex`] and [`Content`], under a key derived from that of the pending log.
#[derive(Clone)]
pub struct CardHasher(Zeroizing<[u8; 32]>);

impl CardHasher {
    pub fn new(key: &DataKey) -> Self {
        Self(key.derive("card index", b""))
    }

    pub fn card(&self, pan: &Pan) -> CardIndex {
        CardIndex(self.hash(b"card", &[pan.expose()]))
    }

    /// For messages without a PAN: those with the same originator key count as one card.
    pub fn without_card(&self, key: &OriginatorKey) -> CardIndex {
        CardIndex(self.hash(b"key", &[key.as_str().as_bytes()]))
    }

    pub fn content(
        &self,
        card: CardIndex,
        amount: Option<Minor>,
        currency: Option<codecs::value::Currency>,
        processing: Option<ProcessingCode>,
    ) -> Content {
        let amount = amount.map_or(-1, |a| a.0).to_be_bytes();
        let currency = currency.map_or(0, |c| c.number()).to_be_bytes();
        let processing = processing.map_or([255; 3], |p| [p.transaction, p.from, p.to]);
        Content(self.hash(b"content", &[&card.0, &amount, &currency, &processing]))
    }

    fn hash(&self, kind: &[u8], parts: &[&[u8]]) -> [u8; 16] {
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&*self.0).expect("HMAC takes a key of any length");
        for part in std::iter::once(&kind).chain(parts) {
            mac.update(&(part.len() as u32).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes()[..16].try_into().expect("SHA-256 gives 32 bytes")
    }
}

impl fmt::Debug for CardHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CardHasher")
    }
}
