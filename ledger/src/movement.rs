//! Movements: the effect of a decision on the accounts, before it is posted.

/// Effect of a decision on an account's balance and holds. Amounts in minor units; `hold` is the hold's `auth_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    None,
    /// A pre-authorization keeps this amount back.
    Hold {
        minor: i64,
    },
    /// A further amount for an open hold.
    Raise {
        minor: i64,
        hold: i64,
    },
    /// A sale: from the cardholder to the merchant's side.
    Capture {
        minor: i64,
    },
    /// A refund: from the merchant's side to the cardholder.
    Refund {
        minor: i64,
    },
    /// A completion: a sale on a hold, for its amount, less, or more. It ends the hold, if that has not ended.
    Complete {
        minor: i64,
        hold: i64,
    },
    /// Reversal of a capture.
    UndoCapture {
        minor: i64,
    },
    /// Reversal of a refund.
    UndoRefund {
        minor: i64,
    },
    /// Lowers a hold, and ends it when nothing is left.
    Release {
        minor: i64,
        hold: i64,
    },
}

impl Movement {
    /// The amount moved or held, in minor units.
    #[must_use]
    pub const fn minor(self) -> i64 {
        match self {
            Self::None => 0,
            Self::Hold { minor }
            | Self::Raise { minor, .. }
            | Self::Capture { minor }
            | Self::Refund { minor }
            | Self::Complete { minor, .. }
            | Self::UndoCapture { minor }
            | Self::UndoRefund { minor }
            | Self::Release { minor, .. } => minor,
        }
    }
}
