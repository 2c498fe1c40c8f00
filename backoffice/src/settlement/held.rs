//! Which movements at merchants of ours are held until somebody has decided them, and what becomes of each. Pure.

/// Words of `auth.exception` whose movement is held, each with why.
pub const HELD: [(&str, &str); 6] = [
    ("completion-without-hold", "it names no authorization, so no issuer has promised the amount"),
    ("completion-of-unknown", "the authorization that it names is not known, so no issuer has promised the amount"),
    ("card-unknown", "no account was debited, so nobody has paid the amount"),
    ("refund-unreferenced", "it gives back what was perhaps never taken"),
    ("terminal-refunds-exceeded", "it gives back what was perhaps never taken, and more of it than the terminal may"),
    ("refund-over-original", "it gives back more than was taken"),
];

/// Whether a movement with this exception is held.
#[must_use]
pub fn is_held(word: &str) -> bool {
    HELD.iter().any(|(held, _)| *held == word)
}

/// What a batch does with a movement at a merchant of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// It is in the merchant's gross, fee and payout.
    Payable,
    /// It waits for a decision.
    Held,
    /// It is posted away from the merchant's account and never paid.
    Rejected,
}

/// What people decided of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    Release,
    Reject,
}

impl Decided {
    /// By the act of a resolved item. Who acknowledged one did so in an earlier version, where that let it be paid.
    #[must_use]
    pub fn of(act: &str) -> Option<Self> {
        match act {
            "release" | "acknowledge" => Some(Self::Release),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }
}

impl Treatment {
    /// Of a sale or refund with this exception and decision. A reversal goes the way of what it reverses: `word` and
    /// `decided` are those of the original, and `settled` says what an earlier batch has done with the original for good.
    #[must_use]
    pub fn of(word: Option<&str>, decided: Option<Decided>, settled: Option<Self>) -> Self {
        match (settled, decided) {
            (Some(settled), _) => settled,
            (None, _) if !word.is_some_and(is_held) => Self::Payable,
            (None, None) => Self::Held,
            (None, Some(Decided::Release)) => Self::Payable,
            (None, Some(Decided::Reject)) => Self::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_promised_waits_and_a_reversal_goes_with_it() {
        let unreferenced = Some("refund-unreferenced");
        for (word, decided, settled, treatment) in [
            (None, None, None, Treatment::Payable),
            (Some("completion-after-release"), None, None, Treatment::Payable),
            (unreferenced, None, None, Treatment::Held),
            (unreferenced, Some(Decided::Release), None, Treatment::Payable),
            (unreferenced, Some(Decided::Reject), None, Treatment::Rejected),
            (unreferenced, None, Some(Treatment::Payable), Treatment::Payable),
            (unreferenced, Some(Decided::Reject), Some(Treatment::Rejected), Treatment::Rejected),
        ] {
            assert_eq!(Treatment::of(word, decided, settled), treatment, "{word:?} {decided:?} {settled:?}");
        }
    }
}
