//! What is kept of a card of another issuer that was used at a merchant of ours: the presentment needs it.

use hsm::{PanEnvelope, PanIndex};

use super::journal::RowKey;

/// A foreign card, and the chip data of one transaction.
#[derive(Clone, Debug)]
pub struct AcquiredCard {
    pub pan_index: PanIndex,
    /// The PAN as ciphertext, bound to its index.
    pub envelope: PanEnvelope,
    pub masked: String,
    /// `YYMM`.
    pub expiry: Option<String>,
    /// DE55 of the transaction, only the tags that clearing takes.
    pub chip: Option<Vec<u8>>,
}

/// What a batch keeps of foreign cards, each with the transaction's key.
pub type AcquiredCards = Vec<(RowKey, AcquiredCard)>;
