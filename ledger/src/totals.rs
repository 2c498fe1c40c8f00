//! Totals of an originator's transactions on a business date, for reconciliation (0500, 0520).

/// Whose totals are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originator {
    /// A terminal of ours, by DE41.
    Terminal(String),
    /// A foreign acquirer, by its id: everything it sent for our cards.
    Acquirer(String),
}

/// Number and amount of the transactions of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub amount_minor: i64,
}

/// Totals of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Captures: purchases and completions.
    pub debits: Sum,
    pub debit_reversals: Sum,
    /// Refunds.
    pub credits: Sum,
    pub credit_reversals: Sum,
    /// Number of approvals without capture.
    pub authorizations: i64,
}
