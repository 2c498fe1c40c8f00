//! Files of secrets on their way to an addressee.
use serde::{Deserialize, Serialize};

/// One item of a delivery file: hex of `nonce (12) || AES-256-GCM ciphertext || tag (16)` under the transport key, with the
/// file's kind as associated data. The plaintext is JSON and is seen by the addressee alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryItem(pub String);

/// A file of items for one kind of addressee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryFile {
    pub kind: DeliveryKind,
    /// Check value of the transport key: first three bytes of the AES-CMAC of one zero block, upper-case hex.
    pub transport_kcv: String,
    pub items: Vec<DeliveryItem>,
}

/// Who a delivery is for; the text is the associated data of every item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryKind {
    Cards,
    Wallets,
    Terminals,
    Zones,
    Mailers,
}

impl DeliveryKind {
    /// The associated data of its items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cards => "cards",
            Self::Wallets => "wallets",
            Self::Terminals => "terminals",
            Self::Zones => "zones",
            Self::Mailers => "mailers",
        }
    }
}
