//! Double entry: the posting of a movement. Amounts are signed, credit positive; the legs of a posting sum to zero.
//! Pure.

use super::chart::{Account, AccountKind};
use super::journal::Role;
use super::movement::Movement;

/// One side of a posting: an account and a signed amount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub account: Account,
    pub amount_minor: i64,
}

/// Two legs that sum to zero: every posting is a transfer between two accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting([Leg; 2]);

impl Posting {
    /// A transfer from one account to another; a negative amount goes the other way. The payer's leg comes first.
    #[must_use]
    pub const fn transfer(from: Account, to: Account, minor: i64) -> Self {
        Self([Leg { account: from, amount_minor: -minor }, Leg { account: to, amount_minor: minor }])
    }

    /// As [`Posting::transfer`]; `None` if the amount is zero.
    #[must_use]
    pub fn unless_zero(from: Account, to: Account, minor: i64) -> Option<Self> {
        (minor != 0).then(|| Self::transfer(from, to, minor))
    }

    /// The legs, the payer's first.
    #[must_use]
    pub const fn legs(&self) -> &[Leg] {
        &self.0
    }

    /// The account that pays, where the amount is positive.
    #[must_use]
    pub const fn payer(&self) -> &Account {
        &self.0[0].account
    }

    /// The account that is paid, where the amount is positive.
    #[must_use]
    pub const fn payee(&self) -> &Account {
        &self.0[1].account
    }

    /// The amount, in minor units; negative if it went the other way.
    #[must_use]
    pub const fn minor(&self) -> i64 {
        self.0[1].amount_minor
    }
}

/// A posting with a name that is the same however often it is computed, so that it cannot be stored twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedPosting {
    pub name: String,
    pub posting: Posting,
}

/// The parties of a transaction, from which its two accounts follow.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    pub role: Role,
    /// Our cardholder's account; absent for foreign and unknown cards.
    pub account_id: Option<i64>,
    pub merchant: &'a str,
    pub acquirer: &'a str,
    /// Acquired only: the destination whose issuer approved.
    pub issuer: &'a str,
}

/// The posting of a movement, payer first; `None` for a hold, a release, or no movement.
#[must_use]
pub fn of_movement(movement: Movement, parties: &Parties<'_>) -> Option<Posting> {
    let to_merchant_side = match movement {
        Movement::Capture { minor } | Movement::Complete { minor, .. } | Movement::UndoRefund { minor } => minor,
        Movement::Refund { minor } | Movement::UndoCapture { minor } => -minor,
        Movement::None | Movement::Hold { .. } | Movement::Raise { .. } | Movement::Release { .. } => 0,
    };
    Posting::unless_zero(parties.card_side(), parties.merchant_side(), to_merchant_side)
}

/// The posting of an opening balance. A balance of zero has two legs as well.
#[must_use]
pub fn of_opening(account_id: i64, minor: i64) -> Posting {
    let (funding, cardholder) =
        (AccountKind::Funding.named("opening"), AccountKind::Cardholder.named(account_id.to_string()));
    Posting::transfer(funding, cardholder, minor)
}

impl Parties<'_> {
    fn card_side(&self) -> Account {
        match (self.role, self.account_id) {
            (Role::Acquired, _) => AccountKind::Network.named(self.issuer),
            (_, Some(account_id)) => AccountKind::Cardholder.named(account_id.to_string()),
            (_, None) => AccountKind::Suspense.named(self.acquirer),
        }
    }

    fn merchant_side(&self) -> Account {
        match self.role {
            Role::OnUs | Role::Acquired => AccountKind::Merchant.named(self.merchant),
            Role::Issued => AccountKind::Unpresented.named(self.acquirer),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn posted(movement: Movement, role: Role, account_id: Option<i64>) -> String {
        let parties =
            Parties { role, account_id, merchant: "SWYD00000000001", acquirer: "510099", issuer: "issuer-510051" };
        let posting = of_movement(movement, &parties);
        posting
            .iter()
            .flat_map(Posting::legs)
            .map(|leg| format!("{}/{} {:+}", leg.account.kind.as_str(), leg.account.reference, leg.amount_minor))
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn who_pays_whom() {
        let capture = Movement::Capture { minor: 5 };
        for (movement, role, account, expected) in [
            (capture, Role::OnUs, Some(7), "cardholder/7 -5 merchant/SWYD00000000001 +5"),
            (capture, Role::Issued, Some(7), "cardholder/7 -5 unpresented/510099 +5"),
            (capture, Role::Acquired, None, "network/issuer-510051 -5 merchant/SWYD00000000001 +5"),
            (capture, Role::Issued, None, "suspense/510099 -5 unpresented/510099 +5"),
            (Movement::Refund { minor: 5 }, Role::OnUs, Some(7), "cardholder/7 +5 merchant/SWYD00000000001 -5"),
            (Movement::UndoCapture { minor: 5 }, Role::Issued, Some(7), "cardholder/7 +5 unpresented/510099 -5"),
            (Movement::UndoRefund { minor: 5 }, Role::OnUs, Some(7), "cardholder/7 -5 merchant/SWYD00000000001 +5"),
            (
                Movement::Complete { minor: 9, hold: 1 },
                Role::OnUs,
                Some(7),
                "cardholder/7 -9 merchant/SWYD00000000001 +9",
            ),
            (Movement::Hold { minor: 5 }, Role::OnUs, Some(7), ""),
            (Movement::Raise { minor: 5, hold: 1 }, Role::OnUs, Some(7), ""),
            (Movement::Release { minor: 5, hold: 1 }, Role::OnUs, Some(7), ""),
            (Movement::None, Role::OnUs, Some(7), ""),
        ] {
            assert_eq!(posted(movement, role, account), expected, "{movement:?} {role:?}");
        }
    }

    proptest! {
        #[test]
        fn a_movement_and_its_undoing_leave_nothing(
            minor in 1i64..1_000_000_000_000,
            role in prop_oneof![Just(Role::OnUs), Just(Role::Issued), Just(Role::Acquired)],
            refund: bool, known: bool,
        ) {
            let parties = Parties { role, account_id: known.then_some(7), merchant: "M", acquirer: "A", issuer: "I" };
            let (there, back) = if refund {
                (Movement::Refund { minor }, Movement::UndoRefund { minor })
            } else {
                (Movement::Capture { minor }, Movement::UndoCapture { minor })
            };
            let posted = |movement| of_movement(movement, &parties).expect("it moves something");
            let (there, back) = (posted(there), posted(back));
            prop_assert_eq!(there.legs().iter().map(|leg| leg.amount_minor).sum::<i64>(), 0);
            for (leg, mirror) in there.legs().iter().zip(back.legs()) {
                prop_assert_eq!(leg.amount_minor, -mirror.amount_minor);
                prop_assert_eq!(&leg.account, &mirror.account);
            }
        }
    }
}
