//! Where in the book a transaction belongs.

/// Where a request's rows live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// With an account of ours.
    Ours { bucket: i16, account_id: i64, card_id: i64, card_version: i32, token: Option<(i64, i32)> },
    /// A foreign card, a card we do not know, or a reversal that names none.
    Elsewhere { bucket: i16 },
}

impl Place {
    #[must_use]
    pub const fn bucket(&self) -> i16 {
        match self {
            Self::Ours { bucket, .. } | Self::Elsewhere { bucket } => *bucket,
        }
    }
}
