//! What an originator's transactions of a business date add up to.

/// Whose totals are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Originator {
    /// A terminal of ours, by DE41.
    Terminal(String),
    /// A foreign acquirer, by its id: everything it sent for our cards.
    Acquirer(String),
}

/// Number and amount of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub amount_minor: i64,
}

/// What the journal has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Captured: purchases and completions.
    pub debits: Sum,
    pub debit_reversals: Sum,
    /// Refunds.
    pub credits: Sum,
    pub credit_reversals: Sum,
    /// Approved without capture.
    pub authorizations: i64,
}
