//! Postings of clearing and settlement. Pure.

use super::line::{MerchantBalance, SettlementLine};
use super::position::{Position, Side};
use ledger::chart::{Account, AccountKind};
use ledger::journal::Role;
use ledger::posting::{NamedPosting, Posting};

/// A transfer from one account to another; `None` if the amount is zero.
fn transfer(name: String, from: Account, to: Account, minor: i64) -> Option<NamedPosting> {
    Posting::unless_zero(from, to, minor).map(|posting| NamedPosting { name, posting })
}

/// A matched presentment: its amount moves from unpresented to the acquirer's position.
#[must_use]
pub fn presented(file_id: &str, record: u32, acquirer: &str, minor: i64) -> Option<NamedPosting> {
    let name = format!("presented/{file_id}/{record}");
    transfer(name, AccountKind::Unpresented.named(acquirer), AccountKind::Position.named(acquirer), minor)
}

/// Sums of our own result, which belong to no merchant and no institution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnSums {
    /// Interchange between our own acquiring and issuing sides.
    pub on_us_interchange_minor: i64,
    /// Scheme fees of both our sides.
    pub scheme_fee_minor: i64,
}

impl OwnSums {
    /// The sums of a cycle: of its lines, and the scheme fees of the presentments matched in it.
    #[must_use]
    pub fn of(lines: &[SettlementLine], scheme_fee_of_presentments_minor: i64) -> Self {
        let on_us = lines.iter().filter(|line| line.movement.role == Role::OnUs);
        Self {
            on_us_interchange_minor: on_us.map(|line| line.interchange.minor).sum(),
            scheme_fee_minor: scheme_fee_of_presentments_minor
                + lines.iter().map(|line| line.scheme_fee.minor).sum::<i64>(),
        }
    }
}

/// All postings of closing a cycle.
#[must_use]
pub fn closing(
    batch: &str,
    balances: &[MerchantBalance],
    positions: &[Position],
    network_of: &dyn Fn(&str) -> Option<String>,
    own: OwnSums,
) -> Vec<NamedPosting> {
    let mut postings = Vec::new();
    for of in balances {
        let merchant = AccountKind::Merchant.named(of.merchant.as_str());
        let charge = format!("{batch}/service-charge/{}", of.merchant);
        postings.extend(transfer(charge, merchant.clone(), AccountKind::ServiceCharge.named(batch), of.fee_minor));
        let rejected = format!("{batch}/reject/{}", of.merchant);
        let exceptions = AccountKind::Exceptions.named(of.merchant.as_str());
        postings.extend(transfer(rejected, merchant.clone(), exceptions, of.rejected_minor));
        let payout = format!("{batch}/payout/{}", of.merchant);
        postings.extend(transfer(payout, merchant, AccountKind::Payout.named(batch), of.payout_minor));
    }
    for of in positions {
        let position = AccountKind::Position.named(of.institution.as_str());
        let interchange = format!("{batch}/interchange/{}/{}", of.side.as_str(), of.institution);
        match of.side {
            Side::Acquirer => {
                postings.extend(transfer(
                    interchange,
                    position,
                    AccountKind::InterchangeEarned.named(batch),
                    of.interchange_minor,
                ));
            }
            Side::Issuer => {
                let network = network_of(&of.institution).unwrap_or_else(|| of.institution.clone());
                let name = format!("{batch}/presented/{}", of.institution);
                postings.extend(transfer(name, position.clone(), AccountKind::Network.named(&network), of.gross_minor));
                postings.extend(transfer(
                    interchange,
                    AccountKind::InterchangePaid.named(batch),
                    position,
                    of.interchange_minor,
                ));
            }
        }
    }
    let (paid, earned) = (AccountKind::InterchangePaid.named(batch), AccountKind::InterchangeEarned.named(batch));
    postings.extend(transfer(format!("{batch}/interchange/on-us"), paid, earned, own.on_us_interchange_minor));
    let (fee, scheme) = (AccountKind::SchemeFeePaid.named(batch), AccountKind::Scheme.named("scheme"));
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
            ..MerchantBalance::default()
        }
    }

    fn position(institution: &str, side: Side, gross_minor: i64, interchange_minor: i64) -> Position {
        Position { institution: institution.into(), side, items: 1, gross_minor, interchange_minor }
    }

    fn balances_after(postings: &[NamedPosting]) -> BTreeMap<(AccountKind, &str), i64> {
        let mut sums = BTreeMap::new();
        for leg in postings.iter().flat_map(|of| of.posting.legs()) {
            *sums.entry((leg.account.kind, leg.account.reference.as_str())).or_insert(0) += leg.amount_minor;
        }
        sums
    }

    #[test]
    fn a_cycle_posted() {
        let positions = [position("510099", Side::Acquirer, 5000, 10), position("510051", Side::Issuer, 10_000, 20)];
        let own = OwnSums { on_us_interchange_minor: 2, scheme_fee_minor: 5 };
        let network = |institution: &str| Some(format!("issuer-{institution}"));
        let rejected = MerchantBalance { rejected_minor: -70, ..balance("M3", 0, 0) };
        let postings =
            closing("B", &[balance("M1", 1000, 23), balance("M2", -50, 0), rejected], &positions, &network, own);
        let sums = balances_after(&postings);
        for (account, minor) in [
            ((AccountKind::Merchant, "M1"), -1000), // the 1000 that captures had put there are gone
            ((AccountKind::ServiceCharge, "B"), 23),
            ((AccountKind::Payout, "B"), 977),
            ((AccountKind::Merchant, "M3"), 70), // a refund had taken it
            ((AccountKind::Exceptions, "M3"), -70),
            ((AccountKind::Network, "issuer-510051"), 10_000), // what captures had put there is cleared
            ((AccountKind::Position, "510051"), -9980),        // and is its debt, less interchange
            ((AccountKind::Position, "510099"), -10),          // 5000 were posted when the file was read
            ((AccountKind::InterchangeEarned, "B"), 12),
            ((AccountKind::InterchangePaid, "B"), -22),
            ((AccountKind::SchemeFeePaid, "B"), -5),
            ((AccountKind::Scheme, "scheme"), 5),
        ] {
            assert_eq!(sums.get(&account), Some(&minor), "{account:?}");
        }
        assert_eq!(sums.get(&(AccountKind::Merchant, "M2")), None, "nothing to pay, nothing to charge");
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
                prop_assert_eq!(posting.posting.legs().iter().map(|leg| leg.amount_minor).sum::<i64>(), 0);
                prop_assert!(names.insert(&posting.name));
            }
            for of in &balances {
                let left = of.gross_minor + balances_after(&postings).get(&(AccountKind::Merchant, of.merchant.as_str())).unwrap_or(&0);
                prop_assert_eq!(left, of.carried_forward_minor);
            }
        }
    }
}
