//! Double entry: what a movement posts. Amounts are signed, credit positive; the legs of one transaction sum to zero.
//! Pure.

use crate::authorize::Movement;
use crate::journal::Role;

/// Whose account a leg is on. Merchants, acquirers and networks have legs only; their balance is the sum of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
}

impl AccountKind {
    /// The word in column `ledger.account_kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cardholder => "cardholder",
            Self::Merchant => "merchant",
            Self::Unpresented => "unpresented",
            Self::Network => "network",
            Self::Suspense => "suspense",
            Self::Funding => "funding",
        }
    }
}

/// One leg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leg {
    pub kind: AccountKind,
    pub reference: String,
    pub amount_minor: i64,
}

/// The parties of a transaction.
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

/// The two legs of a movement, payer first; none for what moves nothing or only holds.
#[must_use]
pub fn legs(movement: Movement, parties: &Parties<'_>) -> Vec<Leg> {
    let to_merchant_side = match movement {
        Movement::Capture { minor } | Movement::Complete { minor, .. } | Movement::UndoRefund { minor } => minor,
        Movement::Refund { minor } | Movement::UndoCapture { minor } => -minor,
        Movement::None | Movement::Hold { .. } | Movement::Release { .. } => 0,
    };
    if to_merchant_side == 0 {
        return Vec::new();
    }
    let (payer, payer_reference) = parties.card_side();
    let (payee, payee_reference) = parties.merchant_side();
    vec![
        Leg { kind: payer, reference: payer_reference, amount_minor: -to_merchant_side },
        Leg { kind: payee, reference: payee_reference, amount_minor: to_merchant_side },
    ]
}

/// What an opening balance posts.
#[must_use]
pub fn opening(account_id: i64, minor: i64) -> Vec<Leg> {
    vec![
        Leg { kind: AccountKind::Funding, reference: "opening".to_owned(), amount_minor: -minor },
        Leg { kind: AccountKind::Cardholder, reference: account_id.to_string(), amount_minor: minor },
    ]
}

impl Parties<'_> {
    fn card_side(&self) -> (AccountKind, String) {
        match (self.role, self.account_id) {
            (Role::Acquired, _) => (AccountKind::Network, self.issuer.to_owned()),
            (_, Some(account_id)) => (AccountKind::Cardholder, account_id.to_string()),
            (_, None) => (AccountKind::Suspense, self.acquirer.to_owned()),
        }
    }

    fn merchant_side(&self) -> (AccountKind, String) {
        match self.role {
            Role::OnUs | Role::Acquired => (AccountKind::Merchant, self.merchant.to_owned()),
            Role::Issued => (AccountKind::Unpresented, self.acquirer.to_owned()),
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
        legs(movement, &parties)
            .iter()
            .map(|leg| format!("{}/{} {:+}", leg.kind.as_str(), leg.reference, leg.amount_minor))
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
            let (there, back) = (legs(there, &parties), legs(back, &parties));
            prop_assert_eq!(there.iter().map(|leg| leg.amount_minor).sum::<i64>(), 0);
            for (leg, mirror) in there.iter().zip(&back) {
                prop_assert_eq!(leg.amount_minor, -mirror.amount_minor);
                prop_assert_eq!(&leg.reference, &mirror.reference);
            }
        }
    }
}
