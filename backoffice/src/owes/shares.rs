//! Gains and losses of each party of one transaction after settlement, to the minor unit. Pure.

use serde::Serialize;

use ledger::journal::Role;

/// A party to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Party {
    Cardholder,
    Merchant,
    Acquirer,
    Issuer,
    Scheme,
}

/// The amounts of a transaction, with the signs of its settlement line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    pub gross_minor: i64,
    /// Merchant to acquirer. Unknown for a foreign acquirer's merchant, and taken as zero: merchant and acquirer count
    /// as one.
    pub service_charge_minor: i64,
    /// Acquirer to issuer.
    pub interchange_minor: i64,
    /// Our side to the scheme; the fee of the other side is unknown to us.
    pub scheme_fee_minor: i64,
}

/// Each party's gain; the five sum to zero.
#[must_use]
pub fn shares(role: Role, of: &Amounts) -> [(Party, i64); 5] {
    let acquirer = of.service_charge_minor - of.interchange_minor;
    let (acquirer, issuer) = match role {
        Role::Issued => (acquirer, of.interchange_minor - of.scheme_fee_minor),
        Role::OnUs | Role::Acquired => (acquirer - of.scheme_fee_minor, of.interchange_minor),
    };
    [
        (Party::Cardholder, -of.gross_minor),
        (Party::Merchant, of.gross_minor - of.service_charge_minor),
        (Party::Acquirer, acquirer),
        (Party::Issuer, issuer),
        (Party::Scheme, of.scheme_fee_minor),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_sale_of_ten() {
        let of = Amounts { gross_minor: 1000, service_charge_minor: 23, interchange_minor: 2, scheme_fee_minor: 1 };
        let minor = |role| shares(role, &of).map(|(_, minor)| minor);
        assert_eq!(minor(Role::Acquired), [-1000, 977, 20, 2, 1]);
        assert_eq!(minor(Role::Issued), [-1000, 977, 21, 1, 1]);
    }

    proptest! {
        #[test]
        fn all_shares_sum_to_zero(
            role in prop_oneof![Just(Role::OnUs), Just(Role::Issued), Just(Role::Acquired)],
            gross in -1_000_000_000i64..1_000_000_000, charge in -10_000i64..10_000,
            interchange in -10_000i64..10_000, scheme in -10_000i64..10_000,
        ) {
            let of = Amounts {
                gross_minor: gross, service_charge_minor: charge, interchange_minor: interchange, scheme_fee_minor: scheme,
            };
            prop_assert_eq!(shares(role, &of).iter().map(|(_, minor)| minor).sum::<i64>(), 0);
        }
    }
}
