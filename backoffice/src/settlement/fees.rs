//! Fees: service charge, interchange and scheme fee, each a rate on the amount, rounded half up, plus a fixed sum.
//! Pure.
//!
//! Each line is rounded by itself and keeps the id of its rate, so that a merchant can check every line, and totals are
//! sums of lines. Merchants pay a blended service charge; interchange and scheme fees are borne by the acquirer and not
//! shown to them.

use std::path::Path;

use config_file::{Check, ConfigError, InvalidValue};
use rust_decimal::prelude::ToPrimitive;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Deserialize;

use ledger::journal::Role;

/// Entry mode of the card, as rates distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeeEntryMode {
    Chip,
    Contactless,
    Stripe,
    Keyed,
    Ecommerce,
    Other,
}

impl FeeEntryMode {
    /// From DE22 of the authorization: the first two of its three digits.
    #[must_use]
    pub fn of(entry_mode: Option<&str>) -> Self {
        match entry_mode.and_then(|mode| mode.get(..2)) {
            Some("05" | "95") => Self::Chip,
            Some("07" | "91") => Self::Contactless,
            Some("02" | "90" | "79" | "80") => Self::Stripe,
            Some("01") => Self::Keyed,
            Some("10" | "81") => Self::Ecommerce,
            _ => Self::Other,
        }
    }
}

/// The properties of a transaction on which rates depend.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    pub role: Role,
    pub merchant: &'a str,
    pub mcc: Option<i16>,
    pub entry: FeeEntryMode,
}

/// One rate and its conditions. Of several rates the first that applies is used.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Stored with every line to which the rate is applied.
    pub rate_id: String,
    /// As a fraction of the amount: 0.0125 is 1.25 %.
    pub rate: Decimal,
    /// Added to each transaction, in minor units.
    #[serde(default)]
    pub fixed_minor: i64,
    /// Conditions: roles, merchants, category codes, entry modes. An empty list admits all.
    #[serde(default)]
    pub roles: Vec<RoleWord>,
    #[serde(default)]
    pub merchants: Vec<String>,
    #[serde(default)]
    pub mcc: Vec<i16>,
    #[serde(default)]
    pub entry: Vec<FeeEntryMode>,
}

/// Our role in a transaction, as a fee schedule spells it: `on-us` is our card at our merchant, `issued` our card at a
/// foreign acquirer, `acquired` a foreign card at our merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RoleWord {
    OnUs,
    Issued,
    Acquired,
}

impl RoleWord {
    const fn role(self) -> Role {
        match self {
            Self::OnUs => Role::OnUs,
            Self::Issued => Role::Issued,
            Self::Acquired => Role::Acquired,
        }
    }
}

impl Rate {
    fn fits(&self, subject: &Subject<'_>) -> bool {
        let any = |empty: bool, holds: bool| empty || holds;
        any(self.roles.is_empty(), self.roles.iter().any(|word| word.role() == subject.role))
            && any(self.merchants.is_empty(), self.merchants.iter().any(|merchant| merchant == subject.merchant))
            && any(self.mcc.is_empty(), subject.mcc.is_some_and(|mcc| self.mcc.contains(&mcc)))
            && any(self.entry.is_empty(), self.entry.contains(&subject.entry))
    }

    fn is_unconditional(&self) -> bool {
        self.roles.is_empty() && self.merchants.is_empty() && self.mcc.is_empty() && self.entry.is_empty()
    }

    /// The rate times the amount, rounded half up.
    fn share(&self, minor: i64) -> Option<i64> {
        Decimal::from(minor.unsigned_abs())
            .checked_mul(self.rate)?
            .round_dp_with_strategy(0, RoundingStrategy::MidpointAwayFromZero)
            .to_i64()
    }
}

/// Whether a refund returns the service charge of the sale to the merchant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefundCharge {
    /// The charge of the sale is kept; the refund costs nothing.
    Kept,
    /// The part that depends on the amount is returned; the fixed sum is not, because the sale was processed.
    Returned,
}

/// A fee schedule: a file of `config/fees/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeSchedule {
    pub refund_charge: RefundCharge,
    /// Merchant to acquirer.
    pub service_charge: Vec<Rate>,
    /// Acquirer to issuer; returned with a refund.
    pub interchange: Vec<Rate>,
    /// Each side to the scheme, for sales and refunds alike.
    pub scheme_fee: Vec<Rate>,
}

/// Kind of movement, as fees distinguish it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    Sale,
    Refund,
    /// Reversal of a sale, or of a refund; `whole` if in full.
    Reversal {
        of_refund: bool,
        whole: bool,
    },
}

/// A charge and the id of its rate. Positive: the charged party pays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub minor: i64,
    pub rate_id: String,
}

/// A charge that exceeds 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a charge on {0} minor units does not fit")]
pub struct ChargeOverflow(pub i64);

impl FeeSchedule {
    /// Reads and checks a schedule file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        config_file::load(path)
    }

    /// Checks `text`; `file` only appears in errors.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        config_file::parse(text, file)
    }

    fn tables(&self) -> [(&'static str, &[Rate]); 3] {
        [("service_charge", &self.service_charge), ("interchange", &self.interchange), ("scheme_fee", &self.scheme_fee)]
    }

    /// What the merchant pays for a movement. Negative: is paid back.
    pub fn service_charge(
        &self,
        kind: MovementKind,
        minor: i64,
        subject: &Subject<'_>,
    ) -> Result<Charge, ChargeOverflow> {
        let rate = first(&self.service_charge, subject);
        let share = rate.share(minor).ok_or(ChargeOverflow(minor))?;
        let returned = self.refund_charge == RefundCharge::Returned;
        let minor = match kind {
            MovementKind::Sale => share + rate.fixed_minor,
            MovementKind::Refund if returned => -share,
            MovementKind::Refund => 0,
            MovementKind::Reversal { of_refund: true, .. } if returned => share,
            MovementKind::Reversal { of_refund: true, .. } => 0,
            MovementKind::Reversal { of_refund: false, whole } => -share - if whole { rate.fixed_minor } else { 0 },
        };
        Ok(Charge { minor, rate_id: rate.rate_id.clone() })
    }

    /// What the acquirer pays the issuer. Negative: is paid back.
    pub fn interchange(&self, kind: MovementKind, minor: i64, subject: &Subject<'_>) -> Result<Charge, ChargeOverflow> {
        let rate = first(&self.interchange, subject);
        let share = rate.share(minor).ok_or(ChargeOverflow(minor))?;
        let minor = match kind {
            MovementKind::Sale => share + rate.fixed_minor,
            MovementKind::Refund => -share - rate.fixed_minor,
            MovementKind::Reversal { of_refund, whole } => {
                let back = share + if whole { rate.fixed_minor } else { 0 };
                if of_refund { back } else { -back }
            }
        };
        Ok(Charge { minor, rate_id: rate.rate_id.clone() })
    }

    /// What our side pays the scheme for a movement. A refund is charged as a sale is, because it is processed as well.
    pub fn scheme_fee(&self, kind: MovementKind, minor: i64, subject: &Subject<'_>) -> Result<Charge, ChargeOverflow> {
        let rate = first(&self.scheme_fee, subject);
        let share = rate.share(minor).ok_or(ChargeOverflow(minor))?;
        let minor = match kind {
            MovementKind::Sale | MovementKind::Refund => share + rate.fixed_minor,
            MovementKind::Reversal { whole, .. } => -share - if whole { rate.fixed_minor } else { 0 },
        };
        Ok(Charge { minor, rate_id: rate.rate_id.clone() })
    }
}

impl Check for FeeSchedule {
    fn check(&self) -> Result<(), InvalidValue> {
        for (name, rates) in self.tables() {
            for (at, rate) in rates.iter().enumerate() {
                let wrong = |key: &str, reason| Err(InvalidValue::new(format!("{name}[{at}].{key}"), reason));
                if rate.rate < Decimal::ZERO || rate.rate >= Decimal::ONE {
                    return wrong("rate", "a rate is a fraction: at least 0 and less than 1");
                }
                if rate.fixed_minor < 0 {
                    return wrong("fixed_minor", "a fixed sum is not negative");
                }
                if rates[..at].iter().any(|earlier| earlier.rate_id == rate.rate_id) {
                    return wrong("rate_id", "a rate id names one rate");
                }
            }
            if !rates.last().is_some_and(Rate::is_unconditional) {
                return Err(InvalidValue::new(
                    name,
                    "the last rate must apply to everything, or a line would have none",
                ));
            }
        }
        Ok(())
    }
}

fn first<'r>(rates: &'r [Rate], subject: &Subject<'_>) -> &'r Rate {
    rates.iter().find(|rate| rate.fits(subject)).expect("the last rate applies to everything: checked when it was read")
}

#[cfg(test)]
mod tests {
    use config_file::example_mistakes;
    use proptest::prelude::*;

    use super::*;

    const EXAMPLE: &str = include_str!("../../../config/fees/standard.toml");

    fn rate(rate: &str, fixed_minor: i64) -> Rate {
        Rate {
            rate_id: "R".into(),
            rate: rate.parse().unwrap(),
            fixed_minor,
            roles: vec![],
            merchants: vec![],
            mcc: vec![],
            entry: vec![],
        }
    }

    fn schedule(service: Rate, refund_charge: RefundCharge) -> FeeSchedule {
        FeeSchedule {
            refund_charge,
            service_charge: vec![service],
            interchange: vec![rate("0.002", 0)],
            scheme_fee: vec![rate("0.0001", 1)],
        }
    }

    const SUBJECT: Subject<'_> =
        Subject { role: Role::OnUs, merchant: "SWYD00000000001", mcc: Some(5411), entry: FeeEntryMode::Chip };

    #[test]
    fn a_charge_is_rounded_half_up_and_then_fixed() {
        for (of, fixed, minor, charge) in [
            ("0.0125", 10, 1000, 23), // 12.5 rounds up
            ("0.0125", 10, 1999, 35), // 24.9875
            ("0.0125", 0, 1, 0),      // 0.0125
            ("0.005", 0, 100, 1),     // exactly half
            ("0.005", 0, 99, 0),      // 0.495
            ("0.005", 0, 300, 2),     // 1.5; half to even would give 2 as well
            ("0.005", 0, 500, 3),     // 2.5; half to even would give 2
            ("0", 25, 999_999_999_999, 25),
            ("0.999999", 0, 999_999_999_999, 999_998_999_999),
        ] {
            let schedule = schedule(rate(of, fixed), RefundCharge::Kept);
            let got = schedule.service_charge(MovementKind::Sale, minor, &SUBJECT).unwrap().minor;
            assert_eq!(got, charge, "{of} + {fixed} on {minor}");
        }
    }

    #[test]
    fn who_gets_what_back() {
        let whole = |of_refund| MovementKind::Reversal { of_refund, whole: true };
        let part = MovementKind::Reversal { of_refund: false, whole: false };
        for (refunds, kind, service, interchange, scheme) in [
            (RefundCharge::Kept, MovementKind::Sale, 23, 2, 1),
            (RefundCharge::Kept, MovementKind::Refund, 0, -2, 1),
            (RefundCharge::Returned, MovementKind::Refund, -13, -2, 1),
            (RefundCharge::Kept, whole(false), -23, -2, -1),
            (RefundCharge::Kept, part, -13, -2, 0),
            (RefundCharge::Kept, whole(true), 0, 2, -1),
            (RefundCharge::Returned, whole(true), 13, 2, -1),
        ] {
            let fees = schedule(rate("0.0125", 10), refunds);
            let charges = [
                fees.service_charge(kind, 1000, &SUBJECT),
                fees.interchange(kind, 1000, &SUBJECT),
                fees.scheme_fee(kind, 1000, &SUBJECT),
            ];
            assert_eq!(
                charges.map(|charge| charge.unwrap().minor),
                [service, interchange, scheme],
                "{refunds:?} {kind:?}"
            );
        }
    }

    #[test]
    fn the_first_rate_that_fits_is_taken() {
        let only = |id: &str| Rate { rate_id: id.into(), ..rate("0.01", 0) };
        let mut fees = schedule(only("rest"), RefundCharge::Kept);
        fees.service_charge.splice(
            0..0,
            [
                Rate { merchants: vec!["SWYD00000000002".into()], ..only("merchant") },
                Rate { entry: vec![FeeEntryMode::Contactless], mcc: vec![5411], ..only("tap at the grocer") },
                Rate { roles: vec![RoleWord::Acquired], ..only("foreign") },
            ],
        );
        for (subject, id) in [
            (SUBJECT, "rest"),
            (Subject { merchant: "SWYD00000000002", ..SUBJECT }, "merchant"),
            (Subject { entry: FeeEntryMode::Contactless, ..SUBJECT }, "tap at the grocer"),
            (Subject { entry: FeeEntryMode::Contactless, mcc: None, ..SUBJECT }, "rest"),
            (Subject { role: Role::Acquired, ..SUBJECT }, "foreign"),
        ] {
            assert_eq!(fees.service_charge(MovementKind::Sale, 100, &subject).unwrap().rate_id, id);
        }
    }

    #[test]
    fn the_example_is_a_schedule() {
        FeeSchedule::parse(EXAMPLE, "standard.toml").expect("config/fees/standard.toml is an example that works");
    }

    #[test]
    fn mistakes_are_refused_with_file_key_and_reason() {
        let refused = |from: &str, to: &str| {
            let text = EXAMPLE.replacen(from, to, 1);
            assert_ne!(text, EXAMPLE, "{from} is not in the example");
            FeeSchedule::parse(&text, "fees.toml").unwrap_err().to_string()
        };
        for (from, to, line) in [
            (
                "rate        = \"0.0125\"",
                "rate = \"1.25\"",
                "service_charge[1].rate: a rate is a fraction: at least 0 and less than 1",
            ),
            ("fixed_minor = 10", "fixed_minor = -10", "service_charge[1].fixed_minor: a fixed sum is not negative"),
            (
                "rate_id     = \"MSC-STANDARD\"",
                "rate_id = \"MSC-CONTACTLESS\"",
                "service_charge[1].rate_id: a rate id names one rate",
            ),
            (
                "rate_id     = \"MSC-STANDARD\"",
                "rate_id = \"MSC-STANDARD\"\nmcc = [1]",
                "service_charge: the last rate must apply to everything, or a line would have none",
            ),
            ("refund_charge = \"kept\"", "refund_charge = \"lost\"", "refund_charge: must be one of kept, returned"),
            (
                "rate        = \"0.0020\"",
                "rate = \"a fifth\"",
                "interchange[0].rate: must be a Decimal type representing a fixed-point number",
            ),
            (
                "fixed_minor = 10",
                "fixed = 10",
                "service_charge[1].fixed: is not a key; here may stand rate_id, rate, fixed_minor, roles, merchants, mcc, entry",
            ),
        ] {
            let said = refused(from, to);
            assert_eq!(said.split_once(" (line ").expect(to).0, format!("fees.toml: {line}"));
        }
    }

    #[test]
    fn every_key_misspelt_is_named_and_no_value_is_repeated() {
        example_mistakes::every_key_is_named_and_no_value_repeated(EXAMPLE, &[], |text| {
            FeeSchedule::parse(text, "fees.toml")
        });
    }

    proptest! {
        #[test]
        fn a_whole_reversal_leaves_nothing(minor in 1i64..1_000_000_000_000, bp in 0u32..10_000, fixed in 0i64..100, refund: bool) {
            let of = Decimal::new(i64::from(bp), 4);
            for refunds in [RefundCharge::Kept, RefundCharge::Returned] {
                let fees = schedule(Rate { rate: of, ..rate("0", fixed) }, refunds);
                let kind = if refund { MovementKind::Refund } else { MovementKind::Sale };
                let back = MovementKind::Reversal { of_refund: refund, whole: true };
                for charge in [FeeSchedule::service_charge, FeeSchedule::interchange, FeeSchedule::scheme_fee] {
                    let there = charge(&fees, kind, minor, &SUBJECT).unwrap().minor;
                    prop_assert_eq!(there + charge(&fees, back, minor, &SUBJECT).unwrap().minor, 0);
                }
            }
        }

        #[test]
        fn rounding_is_never_off_by_more_than_half(minor in 0i64..1_000_000_000_000, bp in 0i64..10_000) {
            let fees = schedule(Rate { rate: Decimal::new(bp, 4), ..rate("0", 0) }, RefundCharge::Kept);
            let charge = fees.service_charge(MovementKind::Sale, minor, &SUBJECT).unwrap().minor;
            let exact = i128::from(minor) * i128::from(bp);
            let off = i128::from(charge) * 10_000 - exact;
            prop_assert!((-4_999..=5_000).contains(&off), "off by {} ten-thousandths", off);
        }
    }
}
