//! What clearing and settlement post. Pure. Signs are the ledger's: credit positive, the legs of a posting sum to zero.

use super::line::{Line, MerchantBalance};
use super::position::{Position, Side};
use crate::journal::Role;

/// One leg, on an account named by kind and reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingLeg {
    pub kind: &'static str,
    pub reference: String,
    pub minor: i64,
}

/// Legs that belong together, under a name that is the same however often they are computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub name: String,
    pub legs: Vec<PostingLeg>,
}

/// Kinds of accounts, beside those that authorizations post to.
pub mod kind {
    pub const MERCHANT: &str = "merchant";
    pub const UNPRESENTED: &str = "unpresented";
    pub const NETWORK: &str = "network";
    pub const POSITION: &str = "position";
    /// Service charges earned.
    pub const SERVICE_CHARGE: &str = "service-charge";
    /// Interchange we pay as acquirers, and get as issuers.
    pub const INTERCHANGE_PAID: &str = "interchange-paid";
    pub const INTERCHANGE_EARNED: &str = "interchange-earned";
    pub const SCHEME_FEE_PAID: &str = "scheme-fee-paid";
    /// What we owe the scheme.
    pub const SCHEME: &str = "scheme";
    /// Given to the bank in a payout file and not yet confirmed.
    pub const PAYOUT: &str = "payout";
}

/// From one account to another; nothing where the amount is zero.
fn transfer(name: String, from: (&'static str, &str), to: (&'static str, &str), minor: i64) -> Option<Posting> {
    let leg =
        |(kind, reference): (&'static str, &str), minor| PostingLeg { kind, reference: reference.to_owned(), minor };
    (minor != 0).then(|| Posting { name, legs: vec![leg(from, -minor), leg(to, minor)] })
}

/// A matched presentment: what the acquirer was to present is now its claim on us.
#[must_use]
pub fn presented(file_id: &str, record: u32, acquirer: &str, minor: i64) -> Option<Posting> {
    let name = format!("presented/{file_id}/{record}");
    transfer(name, (kind::UNPRESENTED, acquirer), (kind::POSITION, acquirer), minor)
}

/// Sums that belong to no merchant and no institution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSums {
    /// Interchange between our own two sides.
    pub on_us_interchange_minor: i64,
    /// Scheme fees of both our sides.
    pub scheme_fee_minor: i64,
}

impl OwnSums {
    /// From the lines of a cycle, and the scheme fees of the presentments matched in it.
    #[must_use]
    pub fn of(lines: &[Line], scheme_fee_of_presentments_minor: i64) -> Self {
        let on_us = lines.iter().filter(|line| line.movement.role == Role::OnUs);
        Self {
            on_us_interchange_minor: on_us.map(|line| line.interchange.minor).sum(),
            scheme_fee_minor: scheme_fee_of_presentments_minor
                + lines.iter().map(|line| line.scheme_fee.minor).sum::<i64>(),
        }
    }
}

/// Everything that closing a cycle posts.
#[must_use]
pub fn closing(
    batch: &str,
    balances: &[MerchantBalance],
    positions: &[Position],
    network_of: &dyn Fn(&str) -> Option<String>,
    own: OwnSums,
) -> Vec<Posting> {
    let mut postings = Vec::new();
    for of in balances {
        let merchant = (kind::MERCHANT, of.merchant.as_str());
        let charge = format!("{batch}/service-charge/{}", of.merchant);
        postings.extend(transfer(charge, merchant, (kind::SERVICE_CHARGE, batch), of.fee_minor));
        let payout = format!("{batch}/payout/{}", of.merchant);
        postings.extend(transfer(payout, merchant, (kind::PAYOUT, batch), of.payout_minor));
    }
    for of in positions {
        let position = (kind::POSITION, of.institution.as_str());
        let interchange = format!("{batch}/interchange/{}/{}", of.side.as_str(), of.institution);
        match of.side {
            Side::Acquirer => {
                postings.extend(transfer(
                    interchange,
                    position,
                    (kind::INTERCHANGE_EARNED, batch),
                    of.interchange_minor,
                ));
            }
            Side::Issuer => {
                let network = network_of(&of.institution).unwrap_or_else(|| of.institution.clone());
                let name = format!("{batch}/presented/{}", of.institution);
                postings.extend(transfer(name, position, (kind::NETWORK, &network), of.gross_minor));
                postings.extend(transfer(interchange, (kind::INTERCHANGE_PAID, batch), position, of.interchange_minor));
            }
        }
    }
    let (paid, earned) = ((kind::INTERCHANGE_PAID, batch), (kind::INTERCHANGE_EARNED, batch));
    postings.extend(transfer(format!("{batch}/interchange/on-us"), paid, earned, own.on_us_interchange_minor));
    let (fee, scheme) = ((kind::SCHEME_FEE_PAID, batch), (kind::SCHEME, "scheme"));
    postings.extend(transfer(format!("{batch}/scheme-fee"), fee, scheme, own.scheme_fee_minor));
    postings
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn balance(merchant: &str, gross_minor: i64, fee_minor: i64) -> MerchantBalance {
        let owed = gross_minor - fee_minor;
        MerchantBalance {
            merchant: merchant.into(),
            lines: 1,
            gross_minor,
            fee_minor,
            brought_forward_minor: 0,
            payout_minor: owed.max(0),
            carried_forward_minor: owed.min(0),
        }
    }

    fn position(institution: &str, side: Side, gross_minor: i64, interchange_minor: i64) -> Position {
        Position { institution: institution.into(), side, items: 1, gross_minor, interchange_minor }
    }

    fn balances_after(postings: &[Posting]) -> BTreeMap<(&'static str, &str), i64> {
        let mut sums = BTreeMap::new();
        for leg in postings.iter().flat_map(|posting| &posting.legs) {
            *sums.entry((leg.kind, leg.reference.as_str())).or_insert(0) += leg.minor;
        }
        sums
    }

    #[test]
    fn a_cycle_posted() {
        let positions = [position("510099", Side::Acquirer, 5000, 10), position("510051", Side::Issuer, 10_000, 20)];
        let own = OwnSums { on_us_interchange_minor: 2, scheme_fee_minor: 5 };
        let network = |institution: &str| Some(format!("issuer-{institution}"));
        let postings = closing("B", &[balance("M1", 1000, 23), balance("M2", -50, 0)], &positions, &network, own);
        let sums = balances_after(&postings);
        for (account, minor) in [
            ((kind::MERCHANT, "M1"), -1000), // the 1000 that captures had put there are gone
            ((kind::SERVICE_CHARGE, "B"), 23),
            ((kind::PAYOUT, "B"), 977),
            ((kind::NETWORK, "issuer-510051"), 10_000), // what captures had put there is cleared
            ((kind::POSITION, "510051"), -9980),        // and is its debt, less interchange
            ((kind::POSITION, "510099"), -10),          // 5000 were posted when the file was read
            ((kind::INTERCHANGE_EARNED, "B"), 12),
            ((kind::INTERCHANGE_PAID, "B"), -22),
            ((kind::SCHEME_FEE_PAID, "B"), -5),
            ((kind::SCHEME, "scheme"), 5),
        ] {
            assert_eq!(sums.get(&account), Some(&minor), "{account:?}");
        }
        assert_eq!(sums.get(&(kind::MERCHANT, "M2")), None, "nothing to pay, nothing to charge");
    }

    proptest! {
        #[test]
        fn every_posting_sums_to_zero_under_a_name_of_its_own(
            merchants in prop::collection::btree_map("M[0-9]", (-10_000i64..10_000, -100i64..100), 0..6),
            institutions in prop::collection::btree_map("51[0-9]{4}", (any::<bool>(), -10_000i64..10_000, -100i64..100), 0..6),
            on_us in -100i64..100, scheme in -100i64..100,
        ) {
            let balances: Vec<_> = merchants.iter().map(|(m, (gross, fee))| balance(m, *gross, *fee)).collect();
            let positions: Vec<_> = institutions.iter().map(|(of, (acquirer, gross, interchange))| {
                position(of, if *acquirer { Side::Acquirer } else { Side::Issuer }, *gross, *interchange)
            }).collect();
            let own = OwnSums { on_us_interchange_minor: on_us, scheme_fee_minor: scheme };
            let postings = closing("B", &balances, &positions, &|_| None, own);
            let mut names = BTreeSet::new();
            for posting in &postings {
                prop_assert_eq!(posting.legs.iter().map(|leg| leg.minor).sum::<i64>(), 0);
                prop_assert!(names.insert(&posting.name));
            }
            for of in &balances {
                let left = of.gross_minor + balances_after(&postings).get(&(kind::MERCHANT, of.merchant.as_str())).unwrap_or(&0);
                prop_assert_eq!(left, of.carried_forward_minor);
            }
        }
    }
}
