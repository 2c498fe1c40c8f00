//! A wallet device: a token in place of the card number, with its own chip key and counter.

use std::sync::Arc;

use codecs::value::{Expiry, Pan};

use crate::card::Card;
use crate::chip::Chip;
use crate::delivery::DeliveredWallet;

/// One token on one device.
#[derive(Debug)]
pub struct Wallet {
    /// The number that merchants see instead of the card's.
    pub token: Pan,
    pub expiry: Expiry,
    pub sequence: u8,
    pub chip: Chip,
    /// The card behind the token, which merchants do not see.
    pub card: Arc<Card>,
}

impl Wallet {
    /// A delivered token on its holder's device.
    #[must_use]
    pub fn new(delivered: DeliveredWallet, card: Arc<Card>) -> Self {
        Self {
            token: delivered.dpan,
            expiry: delivered.expiry,
            sequence: delivered.psn,
            chip: Chip::new(delivered.udk_ac),
            card,
        }
    }
}
