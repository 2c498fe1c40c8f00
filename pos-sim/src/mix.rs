//! The mix of a load: how often each kind of transaction comes, and how often one that must be declined.
//!
//! Weights are relative; a mix is a small TOML file, so that a published figure can name the mix it was taken with.

use std::path::{Path, PathBuf};

use rand::Rng;
use serde::Deserialize;

/// The mix that is used when no file is given.
pub const EVERYDAY: &str = include_str!("../mixes/everyday.toml");
/// The mix under which programs are killed: as above, with many cards of the foreign issuer.
const OUTAGES: &str = include_str!("../mixes/outages.toml");

/// Why a mix file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MixError {
    #[error("{file}: {source}")]
    Read { file: PathBuf, source: std::io::Error },
    #[error("{file}: {reason}")]
    Parse { file: PathBuf, reason: String },
    #[error("{file}: {key}: {reason}")]
    Value { file: PathBuf, key: &'static str, reason: &'static str },
}

/// A kind of transaction in a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoadKind {
    ChipWithPin,
    Chip,
    Stripe,
    Contactless,
    Keyed,
    /// A chip card of the foreign issuer, at one of our merchants.
    ForeignChip,
    Refund,
    BalanceInquiry,
    /// A card number in our range that was never issued.
    UnknownCard,
    /// The right card, another printed code.
    WrongSecurityCode,
    /// More than any card may spend at once.
    OverLimit,
}

impl LoadKind {
    /// Whether the issuer must refuse it.
    #[must_use]
    pub fn must_be_declined(self) -> bool {
        matches!(self, Self::UnknownCard | Self::WrongSecurityCode | Self::OverLimit)
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Weights {
    chip_with_pin: u32,
    chip: u32,
    stripe: u32,
    contactless: u32,
    keyed: u32,
    foreign_chip: u32,
    refund: u32,
    balance_inquiry: u32,
    unknown_card: u32,
    wrong_security_code: u32,
    over_limit: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MixFile {
    zipf_exponent: f64,
    amount_minor: [i64; 2],
    over_limit_minor: i64,
    acquirer_per_cent: u32,
    weights: Weights,
}

/// A checked mix.
#[derive(Clone, Debug)]
pub struct Mix {
    /// How unevenly cards are used; 0.99 is the usual skew of such benchmarks.
    pub zipf_exponent: f64,
    /// Smallest and largest everyday amount, in minor units.
    pub amount: (i64, i64),
    pub over_limit: i64,
    /// Share of the transactions that come in through the foreign acquirer, where there is one.
    pub acquirer_per_cent: u32,
    /// Upper ends of the ranges that a draw falls into.
    ladder: Vec<(u32, LoadKind)>,
}

impl Mix {
    /// Reads a mix from a file.
    pub fn load(file: &Path) -> Result<Self, MixError> {
        let text = std::fs::read_to_string(file).map_err(|source| MixError::Read { file: file.into(), source })?;
        Self::parse(&text, file)
    }

    /// The mix under which programs are killed.
    #[must_use]
    pub fn outages() -> Self {
        Self::parse(OUTAGES, Path::new("outages.toml")).expect("the built-in mix is checked by a test")
    }

    /// The mix of published figures.
    #[must_use]
    pub fn everyday() -> Self {
        Self::parse(EVERYDAY, Path::new("everyday.toml")).expect("the built-in mix is checked by a test")
    }

    fn parse(text: &str, file: &Path) -> Result<Self, MixError> {
        let mix: MixFile =
            toml::from_str(text).map_err(|e| MixError::Parse { file: file.into(), reason: e.message().to_owned() })?;
        let refuse = |key, reason| Err(MixError::Value { file: file.into(), key, reason });
        let [least, most] = mix.amount_minor;
        if !(0 < least && least <= most) {
            return refuse("amount_minor", "two amounts above zero, the smaller first");
        }
        if !(mix.zipf_exponent.is_finite() && mix.zipf_exponent >= 0.0) {
            return refuse("zipf_exponent", "a number that is not negative");
        }
        if mix.over_limit_minor <= most {
            return refuse("over_limit_minor", "must be more than an everyday amount");
        }
        if mix.acquirer_per_cent > 100 {
            return refuse("acquirer_per_cent", "at most 100");
        }
        let ladder = ladder(&mix.weights);
        if ladder.is_empty() {
            return refuse("weights", "all are zero");
        }
        Ok(Self {
            zipf_exponent: mix.zipf_exponent,
            amount: (least, most),
            over_limit: mix.over_limit_minor,
            acquirer_per_cent: mix.acquirer_per_cent,
            ladder,
        })
    }

    pub fn draw(&self, rng: &mut impl Rng) -> LoadKind {
        let total = self.ladder.last().map_or(1, |(end, _)| *end);
        let point = rng.random_range(0..total);
        self.ladder[self.ladder.partition_point(|(end, _)| *end <= point)].1
    }

    pub fn draw_amount(&self, rng: &mut impl Rng) -> i64 {
        rng.random_range(self.amount.0..=self.amount.1)
    }

    /// The share of transactions that must be declined.
    #[must_use]
    pub fn declined_share(&self) -> f64 {
        let total = self.ladder.last().map_or(1, |(end, _)| *end);
        let mut from = 0;
        let mut declined = 0;
        for (end, flavour) in &self.ladder {
            declined += if flavour.must_be_declined() { end - from } else { 0 };
            from = *end;
        }
        f64::from(declined) / f64::from(total)
    }
}

fn ladder(w: &Weights) -> Vec<(u32, LoadKind)> {
    let rungs = [
        (w.chip_with_pin, LoadKind::ChipWithPin),
        (w.chip, LoadKind::Chip),
        (w.stripe, LoadKind::Stripe),
        (w.contactless, LoadKind::Contactless),
        (w.keyed, LoadKind::Keyed),
        (w.foreign_chip, LoadKind::ForeignChip),
        (w.refund, LoadKind::Refund),
        (w.balance_inquiry, LoadKind::BalanceInquiry),
        (w.unknown_card, LoadKind::UnknownCard),
        (w.wrong_security_code, LoadKind::WrongSecurityCode),
        (w.over_limit, LoadKind::OverLimit),
    ];
    let mut end = 0;
    rungs
        .into_iter()
        .filter(|(weight, _)| *weight > 0)
        .map(|(weight, flavour)| {
            end += weight;
            (end, flavour)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn the_everyday_mix_declines_about_eight_in_a_hundred() {
        let mix = Mix::everyday();
        assert!((mix.declined_share() - 0.08).abs() < 0.005, "{}", mix.declined_share());
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let declined = (0..50_000).filter(|_| mix.draw(&mut rng).must_be_declined()).count();
        assert!((3_600..4_400).contains(&declined), "{declined}");
    }

    #[test]
    fn one_card_in_five_is_foreign_while_programs_are_killed() {
        let (mix, mut rng) = (Mix::outages(), rand::rngs::StdRng::seed_from_u64(7));
        let foreign = (0..50_000).filter(|_| mix.draw(&mut rng) == LoadKind::ForeignChip).count();
        assert!((9_000..11_500).contains(&foreign), "{foreign}");
    }

    #[test]
    fn faults_name_the_key() {
        let broken = |from: &str, to: &str| {
            let text = EVERYDAY.replace(from, to);
            assert_ne!(text, EVERYDAY, "{from} is not in the file");
            Mix::parse(&text, Path::new("m.toml")).unwrap_err().to_string()
        };
        assert!(broken("zipf_exponent = 0.99", "zipf_exponent = -1.0").contains("zipf_exponent"));
        assert!(broken("stripe =", "strip =").contains("strip"));
        assert!(broken("amount_minor = [", "amount_minor = [0, ").contains("m.toml"));
    }
}
