//! The chart of accounts: every kind of account that anything posts to, and the word it is stored as.

/// Kind of account that a leg is on. Only cardholders have a balance row; every other balance is the sum of the legs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// Our cardholder, by account number.
    Cardholder,
    /// Our merchant, by DE42.
    Merchant,
    /// Owed to a foreign acquirer once it presents, by acquirer id.
    Unpresented,
    /// Owed to us by a foreign issuer for its card at our merchant, by destination.
    Network,
    /// Postings of advices that name a card we do not know, by acquirer id.
    Suspense,
    /// Source of opening balances.
    Funding,
    /// Our position with a foreign institution, by its number.
    Position,
    /// Service charges earned, by batch.
    ServiceCharge,
    /// Interchange that we pay as acquirer, by batch.
    InterchangePaid,
    /// Interchange that we earn as issuer, by batch.
    InterchangeEarned,
    /// Scheme fees of both our sides, acquirer's and issuer's, by batch.
    SchemeFeePaid,
    /// Owed by us to the scheme.
    Scheme,
    /// Passed to the bank in a payout file and not yet confirmed, by batch.
    Payout,
    /// What people decided to pay or bear outside clearing and settlement, by the institution it is about; settled by hand.
    Exceptions,
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
    Exceptions => "exceptions",
});

/// An account: its kind, and its reference, which is unique within the kind.
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
