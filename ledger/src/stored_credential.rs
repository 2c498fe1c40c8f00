//! Stored credentials: merchants at which a card was approved without being present.

/// A merchant that may use a card's stored number, and the first payment there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCredential {
    pub bucket: i16,
    pub card_id: i64,
    /// Acquirer id (DE32).
    pub acquirer: String,
    /// DE42.
    pub merchant: String,
    /// Life-cycle id of the first payment.
    pub life_cycle: String,
}
