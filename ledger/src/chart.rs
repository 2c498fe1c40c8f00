//! The chart of accounts: every kind of account that anything posts to, and the word it is stored as.

/// Whose account a leg is on. Only cardholders have a balance row; every other balance is the sum of the legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Our cardholder, by account number.
    Cardholder,
    /// Our merchant, by DE42.
    Merchant,
    /// What a foreign acquirer is owed once it has presented, by acquirer id.
    Unpresented,
    /// What a foreign issuer owes us for its card at our merchant, by destination.
    Network,
    /// Advices that name a card we do not know, by acquirer id.
    Suspense,
    /// Where opening balances come from.
    Funding,
    /// Where we stand with a foreign institution, by its number.
    Position,
    /// Service charges earned, by batch.
    ServiceCharge,
    /// Interchange that we pay as acquirers, by batch.
    InterchangePaid,
    /// Interchange that we get as issuers, by batch.
    InterchangeEarned,
    /// Scheme fees of both our sides, by batch.
    SchemeFeePaid,
    /// What we owe the scheme.
    Scheme,
    /// Given to the bank in a payout file and not yet confirmed, by batch.
    Payout,
}

crate::stored_words!(AccountKind, "the columns `account_kind` of `ledger` and `settlement_posting`" {
    Cardholder => "cardholder",
    Merchant => "merchant",
    Unpresented => "unpresented",
    Network => "network",
    Suspense => "suspense",
    Funding => "funding",
    Position => "position",
    ServiceCharge => "service-charge",
    InterchangePaid => "interchange-paid",
    InterchangeEarned => "interchange-earned",
    SchemeFeePaid => "scheme-fee-paid",
    Scheme => "scheme",
    Payout => "payout",
});

/// An account by its kind and its name among those of the kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    pub kind: AccountKind,
    pub reference: String,
}

impl AccountKind {
    /// The account of this kind that is called `reference`.
    #[must_use]
    pub fn named(self, reference: impl Into<String>) -> Account {
        Account { kind: self, reference: reference.into() }
    }
}
