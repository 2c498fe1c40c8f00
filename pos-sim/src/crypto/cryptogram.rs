//! The chip's computations: session key, application cryptogram and the check of the issuer's answer, for cryptogram version 18
//! (EMV common session key, issuer answer by method 2).

use super::TdesKey;
use super::mac::{Padding, retail_mac};

/// The card's session key for one application transaction counter.
///
/// Both halves are the card key over the counter, told apart by the third byte (EMV book 2, A1.3).
#[must_use]
pub fn session_key(card_key: &TdesKey, atc: u16) -> TdesKey {
    let half = |mark: u8| {
        let mut r = [0; 8];
        r[..2].copy_from_slice(&atc.to_be_bytes());
        r[2] = mark;
        card_key.encrypt(r)
    };
    let mut key = [0; 16];
    key[..8].copy_from_slice(&half(0xF0));
    key[8..].copy_from_slice(&half(0x0F));
    TdesKey::new(key)
}

/// The application cryptogram over the already joined tag values (issuer application data last and whole).
#[must_use]
pub fn application_cryptogram(session: &TdesKey, input: &[u8]) -> [u8; 8] {
    retail_mac(session, input, Padding::OneThenZeros)
}

/// The four bytes with which an issuer proves that it answered this cryptogram (method 2).
///
/// `proprietary`: optional data of the issuer behind the card status update; this issuer sends none.
#[must_use]
pub fn response_cryptogram(session: &TdesKey, cryptogram: [u8; 8], status: [u8; 4], proprietary: &[u8]) -> [u8; 4] {
    let input = [&cryptogram[..], &status[..], proprietary].concat();
    let mac = retail_mac(session, &input, Padding::OneThenZeros);
    [mac[0], mac[1], mac[2], mac[3]]
}
