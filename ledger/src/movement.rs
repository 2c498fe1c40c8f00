//! What a decision does to the accounts.

/// What a decision does to the accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    None,
    /// A pre-authorization keeps this much.
    Hold {
        minor: i64,
    },
    /// A sale: from the cardholder to the merchant's side.
    Capture {
        minor: i64,
    },
    /// The other way.
    Refund {
        minor: i64,
    },
    /// A sale that ends a hold, which may have been smaller or larger.
    Complete {
        minor: i64,
        hold: i64,
    },
    /// Gives back what a capture took.
    UndoCapture {
        minor: i64,
    },
    /// Takes back what a refund gave.
    UndoRefund {
        minor: i64,
    },
    /// Lowers a hold, ending it when nothing is left.
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
            | Self::Capture { minor }
            | Self::Refund { minor }
            | Self::Complete { minor, .. }
            | Self::UndoCapture { minor }
            | Self::UndoRefund { minor }
            | Self::Release { minor, .. } => minor,
        }
    }
}
