//! Settlement lines (a captured movement with its fees) and each merchant's balance over a cycle. Pure.

use std::collections::BTreeMap;

use jiff::civil::{Date, DateTime};
use ledger::journal::Role;

use super::fees::{Charge, ChargeOverflow, FeeEntryMode, FeeSchedule, Standing, Subject};
use super::held::Treatment;

/// Kind of movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    Sale,
    Refund,
    /// Reversal of a sale, or of a refund; `whole` if nothing of it stands afterwards.
    Reversal {
        of_refund: bool,
        whole: bool,
    },
}

/// A captured movement of a merchant of ours: a journal row with the leg on the merchant's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    pub bucket: i16,
    pub auth_id: i64,
    pub kind: MovementKind,
    pub role: Role,
    /// The leg: positive if it is owed to the merchant.
    pub gross_minor: i64,
    pub currency: u16,
    pub merchant: String,
    pub terminal: Option<String>,
    /// Category code and DE22; of a reversal those of what it reverses, which was priced by them.
    pub mcc: Option<i16>,
    pub entry_mode: Option<String>,
    pub rrn: Option<String>,
    pub approval: Option<String>,
    pub life_cycle: String,
    pub local_at: DateTime,
    pub business_date: Date,
    pub pan_masked: Option<String>,
    /// For an acquired transaction: the destination whose issuer approved.
    pub issuer: Option<String>,
    /// For a reversal: the capture that it reverses.
    pub original: Option<OriginalCapture>,
    pub treatment: Treatment,
}

impl Movement {
    /// What stands of the item, a sale or a refund, before and after.
    fn standing(&self) -> Standing {
        let minor = self.gross_minor.abs();
        match self.kind {
            MovementKind::Sale => Standing { refund: false, before_minor: 0, after_minor: minor },
            MovementKind::Refund => Standing { refund: true, before_minor: 0, after_minor: minor },
            MovementKind::Reversal { of_refund, .. } => {
                let before_minor = self.original.map_or(minor, |of| of.standing_minor);
                Standing { refund: of_refund, before_minor, after_minor: (before_minor - minor).max(0) }
            }
        }
    }

    fn charged(&self) -> Option<Charged> {
        self.original.and_then(|of| of.charged)
    }
}

/// The capture that a reversal refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginalCapture {
    pub auth_id: i64,
    pub cycle: Date,
    /// What stood of it before the reversal. Never negative.
    pub standing_minor: i64,
    /// What its lines in earlier batches have cost, for its first reversal in this one.
    pub charged: Option<Charged>,
}

/// What lines have cost together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charged {
    /// Absent while the capture is held: its service charge is made when it is paid.
    pub fee_minor: Option<i64>,
    pub interchange_minor: i64,
    pub scheme_fee_minor: i64,
}

/// A settlement line: one movement at a merchant of ours, with its fees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettlementLine {
    pub movement: Movement,
    /// Paid by the merchant.
    pub fee: Charge,
    /// Paid by our acquiring side to the issuer.
    pub interchange: Charge,
    /// Paid by our side to the scheme.
    pub scheme_fee: Charge,
}

impl SettlementLine {
    /// Prices a movement. Of an item that earlier batches have charged, what they charged counts, not what the schedule
    /// of today would have: it may be another one, and an item that is wholly reversed has cost nothing.
    pub fn of(movement: Movement, fees: &FeeSchedule) -> Result<Self, ChargeOverflow> {
        let subject = Subject {
            role: movement.role,
            merchant: &movement.merchant,
            mcc: movement.mcc,
            entry: FeeEntryMode::of(movement.entry_mode.as_deref()),
        };
        let charged = movement.charged();
        // what was charged before takes the place of what the schedule would have charged
        let standing = |charged: Option<i64>| match charged {
            Some(_) => Standing { before_minor: 0, ..movement.standing() },
            None => movement.standing(),
        };
        let less =
            |charge: Charge, charged: Option<i64>| Charge { minor: charge.minor - charged.unwrap_or(0), ..charge };
        let before = charged.and_then(|of| of.fee_minor);
        let mut fee = less(fees.service_charge(&standing(before), &subject)?, before);
        let before = charged.map(|of| of.interchange_minor);
        let interchange = less(fees.interchange(&standing(before), &subject)?, before);
        let before = charged.map(|of| of.scheme_fee_minor);
        let scheme_fee = less(fees.scheme_fee(&standing(before), &subject)?, before);
        if movement.treatment != Treatment::Payable {
            fee.minor = 0;
        }
        Ok(Self { movement, fee, interchange, scheme_fee })
    }

    /// The second line of a movement that an earlier batch held: issuer and scheme had their share with the first one.
    pub fn resumed(movement: Movement, fees: &FeeSchedule) -> Result<Self, ChargeOverflow> {
        let mut line = Self::of(movement, fees)?;
        (line.interchange.minor, line.scheme_fee.minor) = (0, 0);
        Ok(line)
    }

    /// The amount that the line adds to the merchant's payout.
    #[must_use]
    pub const fn net_minor(&self) -> i64 {
        self.movement.gross_minor - self.fee.minor
    }

    /// The word in the export and in column `settlement_line.movement`.
    #[must_use]
    pub const fn movement_word(&self) -> &'static str {
        match self.movement.kind {
            MovementKind::Sale => "sale",
            MovementKind::Refund => "refund",
            MovementKind::Reversal { .. } => "reversal",
        }
    }
}

/// A merchant's balance over one cycle: gross - fee = net; net + brought forward = payout + carried forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MerchantBalance {
    pub merchant: String,
    pub lines: i64,
    pub gross_minor: i64,
    pub fee_minor: i64,
    /// Left by earlier cycles: negative for a debt, positive if there was no bank account to pay to.
    pub brought_forward_minor: i64,
    pub payout_minor: i64,
    pub carried_forward_minor: i64,
    /// Lines that are not in the above: held in this cycle, or rejected with it.
    pub held_lines: i64,
    pub held_minor: i64,
    pub rejected_lines: i64,
    pub rejected_minor: i64,
}

impl MerchantBalance {
    #[must_use]
    pub const fn net_minor(&self) -> i64 {
        self.gross_minor - self.fee_minor
    }
}

/// Balances of every merchant with lines in the cycle or an amount brought forward, in order. A merchant without a bank
/// account (`payable` is false) is not paid: the balance is carried forward.
#[must_use]
pub fn balances(
    lines: &[SettlementLine],
    brought_forward: &BTreeMap<String, i64>,
    payable: &dyn Fn(&str) -> bool,
) -> Vec<MerchantBalance> {
    let mut balances: BTreeMap<&str, MerchantBalance> = BTreeMap::new();
    for (merchant, minor) in brought_forward.iter().filter(|(_, minor)| **minor != 0) {
        balances.entry(merchant).or_default().brought_forward_minor = *minor;
    }
    for line in lines {
        let balance = balances.entry(&line.movement.merchant).or_default();
        let gross_minor = line.movement.gross_minor;
        match line.movement.treatment {
            Treatment::Payable => {
                balance.lines += 1;
                balance.gross_minor += gross_minor;
                balance.fee_minor += line.fee.minor;
            }
            Treatment::Held => {
                balance.held_lines += 1;
                balance.held_minor += gross_minor;
            }
            Treatment::Rejected => {
                balance.rejected_lines += 1;
                balance.rejected_minor += gross_minor;
            }
        }
    }
    let close = |(merchant, mut balance): (&str, MerchantBalance)| {
        let owed = balance.net_minor() + balance.brought_forward_minor;
        balance.payout_minor = if payable(merchant) { owed.max(0) } else { 0 };
        balance.carried_forward_minor = owed - balance.payout_minor;
        balance.merchant = merchant.to_owned();
        balance
    };
    balances.into_iter().map(close).collect()
}

/// The date on which merchants are paid: `days` after `date`, Saturdays and Sundays not counted.
#[must_use]
pub fn value_date(date: Date, days: u8) -> Date {
    let mut at = date;
    let mut left = days;
    while left > 0 {
        at = at.tomorrow().unwrap_or(at);
        if !matches!(at.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday) {
            left -= 1;
        }
    }
    at
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::civil::date;
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../config/fees/standard.toml");

    pub(crate) fn fees() -> FeeSchedule {
        FeeSchedule::parse(EXAMPLE, "standard.toml").unwrap()
    }

    pub(crate) fn movement(auth_id: i64, kind: MovementKind, gross_minor: i64) -> Movement {
        Movement {
            bucket: 1,
            auth_id,
            kind,
            role: Role::OnUs,
            gross_minor,
            currency: 978,
            merchant: "SWYD00000000001".into(),
            terminal: Some("T0000001".into()),
            mcc: Some(5411),
            entry_mode: Some("051".into()),
            rrn: Some("632400000001".into()),
            approval: Some("123456".into()),
            life_cycle: "SWY00000000000A".into(),
            local_at: date(2026, 11, 20).at(10, 15, 30, 0),
            business_date: date(2026, 11, 20),
            pan_masked: Some("400012******0008".into()),
            issuer: None,
            original: None,
            treatment: Treatment::Payable,
        }
    }

    fn line(kind: MovementKind, gross_minor: i64) -> SettlementLine {
        SettlementLine::of(movement(1, kind, gross_minor), &fees()).unwrap()
    }

    #[test]
    fn a_day_of_a_merchant() {
        let whole = MovementKind::Reversal { of_refund: false, whole: true };
        let lines = [
            line(MovementKind::Sale, 1000),
            line(MovementKind::Sale, 1999),
            line(MovementKind::Refund, -500),
            line(whole, -1999),
        ];
        let balances = balances(&lines, &BTreeMap::new(), &|_| true);
        assert_eq!(balances.len(), 1);
        let balance = &balances[0];
        // 23 for the remaining sale; the 35 of the reversed one were returned with it, the refund costs nothing
        assert_eq!((balance.gross_minor, balance.fee_minor, balance.payout_minor), (500, 23, 477));
    }

    #[test]
    fn what_earlier_batches_charged_is_what_comes_back() {
        let whole = MovementKind::Reversal { of_refund: false, whole: true };
        let part = MovementKind::Reversal { of_refund: false, whole: false };
        let charged = Some(Charged { fee_minor: Some(70), interchange_minor: 7, scheme_fee_minor: 3 });
        let reversal = |kind, minor: i64, standing_minor, charged| {
            let original = Some(OriginalCapture { auth_id: 1, cycle: date(2026, 11, 19), standing_minor, charged });
            let line = SettlementLine::of(Movement { original, ..movement(2, kind, -minor) }, &fees()).unwrap();
            [line.fee.minor, line.interchange.minor, line.scheme_fee.minor]
        };
        assert_eq!(reversal(whole, 1000, 1000, charged), [-70, -7, -3]);
        // 400 that stand cost 15, 1 and, on us, nothing
        assert_eq!(reversal(part, 600, 1000, charged), [-55, -6, -3]);
        assert_eq!(reversal(whole, 400, 400, None), [-15, -1, 0], "the second reversal of the same cycle");
    }

    #[test]
    fn what_is_held_costs_the_merchant_nothing_until_it_is_paid() {
        let part = MovementKind::Reversal { of_refund: false, whole: false };
        let of = |treatment| Movement { treatment, ..movement(1, MovementKind::Sale, 1000) };
        let held = SettlementLine::of(of(Treatment::Held), &fees()).unwrap();
        assert_eq!((held.fee.minor, held.interchange.minor), (0, 2), "the issuer's share does not wait");
        let paid = SettlementLine::resumed(of(Treatment::Payable), &fees()).unwrap();
        assert_eq!((paid.fee.minor, paid.interchange.minor, paid.scheme_fee.minor), (23, 0, 0));
        // reversed after it was released, in the cycle whose batch pays it
        let charged = Some(Charged { fee_minor: None, interchange_minor: 2, scheme_fee_minor: 0 });
        let original = OriginalCapture { auth_id: 1, cycle: date(2026, 11, 19), standing_minor: 1000, charged };
        let reversal = Movement { original: Some(original), ..movement(2, part, -600) };
        let reversal = SettlementLine::of(reversal, &fees()).unwrap();
        assert_eq!((reversal.fee.minor, reversal.interchange.minor), (15 - 23, 1 - 2));
        let rejected = SettlementLine::resumed(of(Treatment::Rejected), &fees()).unwrap();
        let balances = balances(&[held, paid, reversal, rejected], &BTreeMap::new(), &|_| true);
        let of = &balances[0];
        assert_eq!((of.gross_minor, of.fee_minor, of.payout_minor), (400, 15, 385));
        assert_eq!(
            (of.lines, of.held_lines, of.held_minor, of.rejected_lines, of.rejected_minor),
            (2, 1, 1000, 1, 1000)
        );
    }

    #[test]
    fn who_owes_us_is_not_paid_until_it_is_worked_off() {
        let debt = BTreeMap::from([("SWYD00000000001".to_owned(), -300), ("SWYD00000000002".to_owned(), -50)]);
        let after = balances(&[line(MovementKind::Sale, 1000)], &debt, &|_| true);
        assert_eq!((after[0].payout_minor, after[0].carried_forward_minor), (677, 0));
        assert_eq!((after[1].payout_minor, after[1].carried_forward_minor), (0, -50));
        let unpayable = balances(&[line(MovementKind::Sale, 1000)], &BTreeMap::new(), &|_| false);
        assert_eq!((unpayable[0].payout_minor, unpayable[0].carried_forward_minor), (0, 977));
    }

    #[test]
    fn weekends_move_the_value_date() {
        for (from, days, to) in [(20, 1, 23), (19, 1, 20), (20, 2, 24), (21, 1, 23), (20, 0, 20)] {
            assert_eq!(value_date(date(2026, 11, from), days), date(2026, 11, to), "{from} + {days}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_lines_and_payouts(
            movements in prop::collection::vec((1i64..10_000_000, 0u8..4, 0u8..3), 0..50),
            brought in prop::collection::btree_map("SWYD0000000000[1-3]", -100_000i64..=0, 0..3),
        ) {
            let lines: Vec<_> = movements.into_iter().map(|(minor, kind, merchant)| {
                let (kind, sign) = match kind {
                    0 => (MovementKind::Sale, 1),
                    1 => (MovementKind::Refund, -1),
                    2 => (MovementKind::Reversal { of_refund: false, whole: minor % 2 == 0 }, -1),
                    _ => (MovementKind::Reversal { of_refund: true, whole: true }, 1),
                };
                let mut movement = movement(minor, kind, sign * minor);
                movement.merchant = format!("SWYD0000000000{}", merchant + 1);
                SettlementLine::of(movement, &fees()).unwrap()
            }).collect();
            let balances = balances(&lines, &brought, &|merchant| !merchant.ends_with('3'));
            let net: i64 = lines.iter().map(SettlementLine::net_minor).sum();
            let before: i64 = brought.values().sum();
            let paid: i64 = balances.iter().map(|balance| balance.payout_minor).sum();
            let after: i64 = balances.iter().map(|balance| balance.carried_forward_minor).sum();
            prop_assert_eq!(net + before, paid + after);
            prop_assert!(balances.iter().all(|balance| balance.payout_minor >= 0));
            prop_assert_eq!(balances.iter().map(|balance| balance.lines).sum::<i64>(), lines.len() as i64);
        }
    }
}
