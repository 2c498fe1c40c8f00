//! Possible rows of an element besides that of the standard: changes that partners are known to make.

use crate::de;
use crate::dialect::{Dialect, Length, Rule, Version};
use crate::encoding::Format;

/// How far rows may depart from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Only changes that partners are known to make.
    Known,
    /// Also any length, fixed or with a prefix, for elements whose content is left to partners.
    Any,
}

/// The standard's tables, in ASCII.
#[derive(Debug)]
pub(super) struct Tables([Dialect; 3]);

impl Tables {
    pub(super) fn new() -> Self {
        Self([Version::V1987, Version::V1993, Version::V2003].map(Dialect::plain))
    }

    pub(super) fn row(&self, version: Version, element: u8) -> Option<Rule> {
        self.table(version).rule(element).copied()
    }

    fn table(&self, version: Version) -> &Dialect {
        match version {
            Version::V1987 => &self.0[0],
            Version::V1993 => &self.0[1],
            Version::V2003 => &self.0[2],
        }
    }

    /// A row of this shape for any element.
    fn shaped(&self, version: Version, format: Format, length: Length, max: usize) -> Rule {
        // any row serves as a start: all of its relevant parts are replaced
        let any = self.row(version, 2).expect("every table has element 2");
        Rule { format, length, max, ..any }
    }

    /// The possible rows of an element, likeliest first, each with the bits against it.
    pub(super) fn alternatives(&self, version: Version, element: u8, reach: Reach) -> Vec<(Rule, f32)> {
        if element == de::BITMAP_TERTIARY {
            return Vec::new(); // where its bit announces no third bitmap, there is nothing that it could be
        }
        let standard = self.row(version, element);
        let mut rows: Vec<(Rule, f32)> = standard.map(|row| (row, 0.0)).into_iter().collect();
        let mut add = |format, length, max, cost| rows.push((self.shaped(version, format, length, max), cost));
        for (format, length, max, cost) in known(version, element) {
            add(format, length, max, cost);
        }
        if standard.is_none() || (reach == Reach::Any && is_open(element)) {
            let cost = if standard.is_none() { 6.0 } else { 14.0 };
            for digits in [2, 3, 4, 6] {
                let most = 10usize.pow(u32::from(digits)) - 1;
                add(Format::Text, Length::Prefix(digits), most, cost);
                add(Format::Binary, Length::Prefix(digits), most.max(255), cost + 1.0);
            }
            for units in 1..=48 {
                let rarity = cost + 4.0;
                add(Format::Text, Length::Fixed, units, rarity);
                add(Format::Numeric, Length::Fixed, units, rarity);
                add(Format::Binary, Length::Fixed, units, rarity + 1.0);
            }
        }
        rows
    }
}

/// Elements that the standard leaves to partners, nations or later editions, with any content.
fn is_open(element: u8) -> bool {
    matches!(element, 44..=48 | 52..=63 | 102..=127)
}

/// Other contents that partners are known to keep in an element.
fn known(version: Version, element: u8) -> Vec<(Format, Length, usize, f32)> {
    use Format::{Binary, Numeric, Text};
    const LL: Length = Length::Prefix(2);
    const LLL: Length = Length::Prefix(3);
    let private = [(Binary, LLL, 999, 3.0), (Binary, LL, 255, 5.0), (Text, LL, 99, 7.0), (Text, LL, 255, 8.0)];
    let mut rows = match (element, version) {
        (13, Version::V1987) => vec![(Numeric, Length::Fixed, 8, 8.0)],
        (41, _) => vec![(Text, Length::Fixed, 16, 6.0), (Text, Length::Fixed, 15, 9.0)],
        (44, _) => vec![(Text, LL, 99, 6.0), (Binary, LL, 255, 8.0)],
        (49..=51, _) => vec![(Numeric, Length::Fixed, 3, 2.0)],
        (53, _) => {
            vec![(Binary, Length::Fixed, 8, 5.0), (Binary, Length::Fixed, 48, 8.0), (Binary, LL, 255, 8.0)]
        }
        (55, _) => vec![(Binary, LLL, 999, 1.0), (Binary, LL, 255, 2.0), (Text, LLL, 999, 6.0)],
        (90, _) => vec![(Text, Length::Fixed, 42, 5.0), (Numeric, Length::Fixed, 42, 6.0)],
        (127, _) => vec![(Binary, Length::Prefix(6), 999_999, 4.0), (Text, Length::Prefix(6), 999_999, 5.0)],
        _ => vec![],
    };
    if matches!(element, 46..=48 | 54 | 56..=63 | 104..=127) {
        rows.extend(private);
    }
    rows
}
