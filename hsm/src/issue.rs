//! Orders for new secrets: cards, tokens, terminals. The secrets leave only inside delivery items under the transport key.
use codecs::value::{Expiry, Pan};
use serde::{Deserialize, Serialize};

use crate::card::CodeRead;
use crate::delivery_file::DeliveryItem;
use crate::key_block::KeyBlock;
use crate::name::KeySet;
use crate::secret::Pvv;

/// A card to be personalised: the module draws a PIN and computes everything the bureau needs.
#[derive(Debug, Clone)]
pub struct CardOrder {
    pub pan: Pan,
    pub expiry: Expiry,
    /// PAN sequence number, 0 to 99.
    pub psn: u8,
    /// Three ASCII digits for the stripe, such as `201`.
    pub service_code: [u8; 3],
    pub pvki: u8,
    pub keys: KeySet,
    /// For the bureau's file: the purpose of this card, as text.
    pub note: String,
    pub balance_minor: i64,
    /// Numeric currency code, three digits.
    pub currency: u16,
}

/// A card security code to be made, for a card that is not personalised here.
#[derive(Debug, Clone)]
pub struct CodeOrder {
    pub pan: Pan,
    pub expiry: Expiry,
    /// Whose `cvk` applies.
    pub keys: KeySet,
    /// The place of the code. A dynamic code cannot be ordered: the card makes it.
    pub read: CodeRead,
}

/// A personalised card: the values that the issuer stores, and the delivery item for the bureau.
#[derive(Debug, Clone)]
pub struct PersonalisedCard {
    pub pvv: Pvv,
    pub pvki: u8,
    pub delivery: DeliveryItem,
}

/// A token to be put on a device: card keys from DPAN and PSN under the token range's master key.
#[derive(Debug, Clone)]
pub struct TokenOrder {
    pub dpan: Pan,
    pub expiry: Expiry,
    pub psn: u8,
    pub keys: KeySet,
    /// For the wallet's file: which card it stands for, as text.
    pub card_note: String,
}

/// A terminal to be given keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalOrder {
    /// DE 41, eight characters.
    pub terminal: String,
    /// DE 42, fifteen characters.
    pub merchant: String,
    /// DE 18.
    pub mcc: String,
    pub mac: MacAlgorithm,
}

/// Message authentication algorithms a terminal can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MacAlgorithm {
    /// AES-128 CMAC, first 8 bytes.
    AesCmac,
    /// ANSI X9.19 retail MAC with double-length DES.
    #[serde(rename = "x9.19")]
    X919,
}

/// A terminal's keys: blocks for the switch, the item for the vendor.
#[derive(Debug, Clone)]
pub struct TerminalKeys {
    pub tpk: KeyBlock,
    pub tak: KeyBlock,
    /// Check value of the TAK, six hex digits.
    pub tak_kcv: String,
    pub delivery: DeliveryItem,
}

/// One row of the switch's key file, `terminals.keys.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalKeyRow {
    pub terminal: String,
    pub merchant: String,
    pub mcc: String,
    pub mac: MacAlgorithm,
    /// Hex of the key block.
    pub tpk_block: String,
    /// Hex of the key block.
    pub tak_block: String,
    pub tak_kcv: String,
}
