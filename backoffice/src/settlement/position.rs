//! Positions: what we and each foreign institution owe each other after a cycle. Pure. Positive: owed by us.

use std::collections::BTreeMap;

use ledger::journal::Role;

use super::line::SettlementLine;

/// The institution's role towards us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It acquired transactions of our cards.
    Acquirer,
    /// It issued cards that were used at our merchants.
    Issuer,
}

impl Side {
    /// The word in column `settlement_position.side`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Acquirer => "acquirer",
            Self::Issuer => "issuer",
        }
    }
}

/// A presentment of a foreign acquirer, matched in the cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchedPresentment {
    pub acquirer: String,
    /// Positive for sales.
    pub minor: i64,
    /// Paid by the acquirer to us as issuer.
    pub interchange_minor: i64,
}

/// The position of a cycle with one institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub institution: String,
    pub side: Side,
    pub items: i64,
    /// Sum of the transactions: owed by the issuer to the acquirer.
    pub gross_minor: i64,
    /// Owed by the acquirer to the issuer.
    pub interchange_minor: i64,
}

impl Position {
    /// Positive: owed by us. We owe an acquirer gross less interchange; an issuer owes us gross less interchange.
    #[must_use]
    pub const fn net_minor(&self) -> i64 {
        let to_acquirer = self.gross_minor - self.interchange_minor;
        match self.side {
            Side::Acquirer => to_acquirer,
            Side::Issuer => -to_acquirer,
        }
    }
}

/// An acquired line whose issuer has no institution number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("destination {0} has no institution number in clearing.issuers")]
pub struct UnknownIssuer(pub String);

/// The positions of a cycle, from incoming presentments and from our merchants' captures of foreign cards.
/// `institutions` has the number of the issuer behind each destination; each of them has a position, zero if there was
/// nothing.
pub fn positions(
    presentments: &[MatchedPresentment],
    lines: &[SettlementLine],
    institutions: &BTreeMap<String, String>,
) -> Result<Vec<Position>, UnknownIssuer> {
    let mut sums: BTreeMap<(Side, &str), (i64, i64, i64)> = BTreeMap::new();
    for institution in institutions.values() {
        sums.entry((Side::Issuer, institution)).or_default();
    }
    let mut add = |side, institution, minor: i64, interchange: i64| {
        let sum = sums.entry((side, institution)).or_default();
        *sum = (sum.0 + 1, sum.1 + minor, sum.2 + interchange);
    };
    for of in presentments {
        add(Side::Acquirer, of.acquirer.as_str(), of.minor, of.interchange_minor);
    }
    for line in lines.iter().filter(|line| line.movement.role == Role::Acquired) {
        let destination = line.movement.issuer.as_deref().unwrap_or("unnamed");
        let institution = institutions.get(destination).ok_or_else(|| UnknownIssuer(destination.to_owned()))?;
        add(Side::Issuer, institution.as_str(), line.movement.gross_minor, line.interchange.minor);
    }
    let position = |((side, institution), (items, gross_minor, interchange_minor)): ((Side, &str), _)| Position {
        institution: institution.to_owned(),
        side,
        items,
        gross_minor,
        interchange_minor,
    };
    Ok(sums.into_iter().map(position).collect())
}

#[cfg(test)]
mod tests {
    use super::super::line::MovementKind;
    use super::super::line::tests::{fees, movement};
    use super::*;

    fn acquired(kind: MovementKind, minor: i64) -> SettlementLine {
        let mut movement = movement(1, kind, minor);
        movement.role = Role::Acquired;
        movement.issuer = Some("issuer-510051".into());
        SettlementLine::of(movement, &fees()).unwrap()
    }

    #[test]
    fn an_acquirer_is_owed_and_an_issuer_owes() {
        let presented =
            |minor, interchange_minor| MatchedPresentment { acquirer: "510099".into(), minor, interchange_minor };
        let institutions = BTreeMap::from([
            ("issuer-510051".to_owned(), "510051".to_owned()),
            ("issuer-510052".to_owned(), "510052".to_owned()),
        ]);
        let lines = [acquired(MovementKind::Sale, 10_000), acquired(MovementKind::Refund, -1000)];
        let positions = positions(&[presented(5000, 10), presented(-500, -1)], &lines, &institutions).unwrap();
        let shown: Vec<_> =
            positions.iter().map(|p| (p.institution.as_str(), p.side, p.items, p.net_minor())).collect();
        assert_eq!(
            shown,
            [("510099", Side::Acquirer, 2, 4491), ("510051", Side::Issuer, 2, -8982), ("510052", Side::Issuer, 0, 0),]
        );
    }

    #[test]
    fn an_issuer_without_a_number_is_named() {
        let refused = positions(&[], &[acquired(MovementKind::Sale, 100)], &BTreeMap::new()).unwrap_err();
        assert_eq!(refused, UnknownIssuer("issuer-510051".into()));
    }
}
