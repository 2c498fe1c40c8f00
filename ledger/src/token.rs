//! A token of one of our cards: a device PAN (DPAN).

use codecs::value::Expiry;

use super::atc_window::AtcWindow;

/// Status of a token.
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

/// A token: a device PAN and its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub bucket: i16,
    pub token_id: i64,
    pub card_id: i64,
    pub status: TokenStatus,
    pub expiry: Expiry,
    pub version: i32,
    pub used_atcs: AtcWindow,
}
