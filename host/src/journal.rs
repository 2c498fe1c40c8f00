//! The vocabulary of the journal: kinds and roles, as words that the tables carry.

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Purchase,
    PreAuthorization,
    Completion,
    Refund,
    Reversal,
    BalanceInquiry,
    AccountVerification,
    /// The first balance of an account, from the funding account.
    Opening,
}

impl Kind {
    /// The word in column `auth.kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::PreAuthorization => "pre-authorization",
            Self::Completion => "completion",
            Self::Refund => "refund",
            Self::Reversal => "reversal",
            Self::BalanceInquiry => "balance-inquiry",
            Self::AccountVerification => "account-verification",
            Self::Opening => "opening",
        }
    }

    /// The kind a word of column `auth.kind` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [
            Self::Purchase,
            Self::PreAuthorization,
            Self::Completion,
            Self::Refund,
            Self::Reversal,
            Self::BalanceInquiry,
            Self::AccountVerification,
            Self::Opening,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == word)
    }
}

/// On which sides of a transaction we stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Our card at our merchant.
    OnUs,
    /// Our card at a foreign acquirer, who will present it.
    Issued,
    /// A foreign card at our merchant; its issuer decided.
    Acquired,
}

impl Role {
    /// The word in column `auth.role`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnUs => "on-us",
            Self::Issued => "issued",
            Self::Acquired => "acquired",
        }
    }

    /// The role a word of column `auth.role` names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::OnUs, Self::Issued, Self::Acquired].into_iter().find(|role| role.as_str() == word)
    }
}
