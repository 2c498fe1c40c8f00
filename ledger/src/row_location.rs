//! Location of a transaction's rows: its bucket, and the account if it is ours.

/// Where the rows of a request are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowLocation {
    /// In the bucket of an account of ours, with card and, for a device PAN, token. Each `i32` is the version that was
    /// read.
    OurAccount { bucket: i16, account_id: i64, card_id: i64, card_version: i32, token: Option<(i64, i32)> },
    /// A foreign card, a card we do not know, or a reversal that names none.
    NoAccount { bucket: i16 },
}

impl RowLocation {
    #[must_use]
    pub const fn bucket(&self) -> i16 {
        match self {
            Self::OurAccount { bucket, .. } | Self::NoAccount { bucket } => *bucket,
        }
    }
}
