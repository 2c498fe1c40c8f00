//! Fees: service charge, interchange and scheme fee, each a rate on the amount, rounded half up, plus a fixed sum.
//! Pure.
//!
//! A charge is a function of what stands of an item, a sale or a refund; nothing costs nothing. A movement costs the
//! charge of what stands after it less that of what stood before. So the lines of an item sum to the charge of what is
//! left of it, in however many steps it was reversed, and both sides of a presentment work out the same interchange:
//! the acquirer from sale and reversals, the issuer from the net amount that is presented. Each line keeps the id of its
//! rate. Merchants pay a blended service charge; interchange and scheme fees are borne by the acquirer and not shown to
//! them.

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
    /// Who pays interchange: for a sale the acquirer, for cash the issuer.
    #[serde(default)]
    pub payer: InterchangePayer,
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

/// Who pays interchange to whom. For cash at a machine or a counter the issuer pays the acquirer, who has handed it out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterchangePayer {
    #[default]
    Acquirer,
    Issuer,
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

    /// What an amount that stands costs; nothing costs nothing, not even the fixed sum.
    fn charge(&self, minor: i64) -> Option<i64> {
        if minor == 0 { Some(0) } else { self.share(minor)?.checked_add(self.fixed_minor) }
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

/// What stood of an item before and after a movement, in minor units, never negative. Of a new item nothing stood before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The item is a refund; otherwise a sale.
    pub refund: bool,
    pub before_minor: i64,
    pub after_minor: i64,
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
    pub fn service_charge(&self, standing: &Standing, subject: &Subject<'_>) -> Result<Charge, ChargeOverflow> {
        difference(first(&self.service_charge, subject), standing, |rate, minor| {
            match (standing.refund, self.refund_charge) {
                (false, _) => rate.charge(minor),
                (true, RefundCharge::Kept) => Some(0),
                (true, RefundCharge::Returned) => rate.share(minor).map(|share| -share),
            }
        })
    }

    /// What the acquirer pays the issuer. Negative: the issuer pays, for a refund or for cash.
    pub fn interchange(&self, standing: &Standing, subject: &Subject<'_>) -> Result<Charge, ChargeOverflow> {
        difference(first(&self.interchange, subject), standing, |rate, minor| {
            let charge = rate.charge(minor)?;
            let to_issuer = standing.refund == (rate.payer == InterchangePayer::Issuer);
            Some(if to_issuer { charge } else { -charge })
        })
    }

    /// What our side pays the scheme for a movement. A refund is charged as a sale is, because it is processed as well.
    pub fn scheme_fee(&self, standing: &Standing, subject: &Subject<'_>) -> Result<Charge, ChargeOverflow> {
        difference(first(&self.scheme_fee, subject), standing, Rate::charge)
    }
}

/// The charge of what stands after a movement less that of what stood before.
fn difference(
    rate: &Rate,
    standing: &Standing,
    charge: impl Fn(&Rate, i64) -> Option<i64>,
) -> Result<Charge, ChargeOverflow> {
    let of = |minor| charge(rate, minor).ok_or(ChargeOverflow(minor));
    Ok(Charge { minor: of(standing.after_minor)? - of(standing.before_minor)?, rate_id: rate.rate_id.clone() })
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
                if rate.payer == InterchangePayer::Issuer && name != "interchange" {
                    return wrong("payer", "the issuer pays interchange only");
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
            payer: InterchangePayer::Acquirer,
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

    const fn sale(before_minor: i64, after_minor: i64) -> Standing {
        Standing { refund: false, before_minor, after_minor }
    }

    const fn refund(before_minor: i64, after_minor: i64) -> Standing {
        Standing { refund: true, before_minor, after_minor }
    }

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
            let got = schedule.service_charge(&sale(0, minor), &SUBJECT).unwrap().minor;
            assert_eq!(got, charge, "{of} + {fixed} on {minor}");
        }
    }

    #[test]
    fn who_gets_what_back() {
        for (refunds, standing, service, interchange, scheme) in [
            (RefundCharge::Kept, sale(0, 1000), 23, 2, 1),
            (RefundCharge::Kept, refund(0, 1000), 0, -2, 1),
            (RefundCharge::Returned, refund(0, 1000), -13, -2, 1),
            (RefundCharge::Kept, sale(1000, 0), -23, -2, -1),
            (RefundCharge::Kept, sale(1000, 400), -8, -1, 0),
            (RefundCharge::Kept, sale(400, 0), -15, -1, -1),
            (RefundCharge::Kept, refund(1000, 0), 0, 2, -1),
            (RefundCharge::Returned, refund(1000, 0), 13, 2, -1),
        ] {
            let fees = schedule(rate("0.0125", 10), refunds);
            let charges = [
                fees.service_charge(&standing, &SUBJECT),
                fees.interchange(&standing, &SUBJECT),
                fees.scheme_fee(&standing, &SUBJECT),
            ];
            assert_eq!(
                charges.map(|charge| charge.unwrap().minor),
                [service, interchange, scheme],
                "{refunds:?} {standing:?}"
            );
        }
    }

    #[test]
    fn for_cash_the_issuer_pays_the_acquirer() {
        let fees = FeeSchedule::parse(EXAMPLE, "standard.toml").unwrap();
        let cash = |mcc| Subject { role: Role::Acquired, mcc: Some(mcc), ..SUBJECT };
        for mcc in [6010, 6011] {
            let charge = fees.interchange(&sale(0, 10_000), &cash(mcc)).unwrap();
            assert_eq!((charge.minor, charge.rate_id.as_str()), (-70, "IC-CASH"), "0.2 % and 0.50");
            assert_eq!(fees.interchange(&sale(10_000, 0), &cash(mcc)).unwrap().minor, 70, "and gets it back");
        }
        assert_eq!(fees.interchange(&sale(0, 10_000), &cash(5411)).unwrap().minor, 20);
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
            assert_eq!(fees.service_charge(&sale(0, 100), &subject).unwrap().rate_id, id);
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
                "service_charge[1].fixed: is not a key; here may stand rate_id, rate, fixed_minor, payer, roles, merchants, mcc, entry",
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
        /// However an item is reversed, the charges sum to that of what is left; the issuer, who sees the net amounts of
        /// each cycle only, works out the same.
        #[test]
        fn charges_sum_to_the_charge_of_what_is_left(
            minor in 1i64..1_000_000_000_000, parts in prop::collection::vec((0.0f64..1.0, any::<bool>()), 0..8),
            bp in 0u32..10_000, fixed in 0i64..100, returned: bool, of_refund: bool, cash: bool,
        ) {
            let payer = if cash { InterchangePayer::Issuer } else { InterchangePayer::Acquirer };
            let priced = Rate { rate: Decimal::new(i64::from(bp), 4), ..rate("0", fixed) };
            let refunds = if returned { RefundCharge::Returned } else { RefundCharge::Kept };
            let fees = FeeSchedule {
                interchange: vec![Rate { payer, ..priced.clone() }],
                scheme_fee: vec![priced.clone()],
                ..schedule(priced, refunds)
            };
            let of = |before_minor, after_minor| Standing { refund: of_refund, before_minor, after_minor };
            for charge in [FeeSchedule::service_charge, FeeSchedule::interchange, FeeSchedule::scheme_fee] {
                let charge = |standing| charge(&fees, &standing, &SUBJECT).unwrap().minor;
                // as the acquirer: movement by movement; as the issuer: when a cycle ends
                let (mut stands, mut presented) = (minor, 0);
                let (mut by_movement, mut by_net) = (charge(of(0, minor)), 0);
                for (part, cycle_ends) in &parts {
                    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "some part of it")]
                    let after = (stands as f64 * part) as i64;
                    by_movement += charge(of(stands, after));
                    stands = after;
                    if *cycle_ends {
                        by_net += charge(of(presented, stands));
                        presented = stands;
                        prop_assert_eq!(by_movement, by_net);
                    }
                }
                prop_assert_eq!(by_movement, charge(of(0, stands)));
                prop_assert_eq!(by_movement + charge(of(stands, 0)), 0, "wholly reversed it has cost nothing");
            }
        }

        #[test]
        fn rounding_is_never_off_by_more_than_half(minor in 0i64..1_000_000_000_000, bp in 0i64..10_000) {
            let fees = schedule(Rate { rate: Decimal::new(bp, 4), ..rate("0", 0) }, RefundCharge::Kept);
            let charge = fees.service_charge(&sale(0, minor), &SUBJECT).unwrap().minor;
            let exact = i128::from(minor) * i128::from(bp);
            let off = i128::from(charge) * 10_000 - exact;
            prop_assert!((-4_999..=5_000).contains(&off), "off by {} ten-thousandths", off);
        }
    }
}
