//! A device PAN of one of our cards.

use codecs::value::Expiry;

use super::counters::Counters;

/// State of a device PAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenStatus {
    Active,
    Suspended,
    Deleted,
}

crate::stored_words!(TokenStatus, "column `token.status`" {
    Active => "active",
    Suspended => "suspended",
    Deleted => "deleted",
});

/// A device PAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub bucket: i16,
    pub token_id: i64,
    pub card_id: i64,
    pub status: TokenStatus,
    pub expiry: Expiry,
    pub version: i32,
    pub counters: Counters,
}
