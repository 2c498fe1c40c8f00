//! Parts at fixed positions: original data, replacement amounts, and any layout by column.

use super::{CutError, Part, Parts, PathStep, text};
use crate::encoding::PrefixEncoding;
use crate::error::ErrorKind;
use std::borrow::Cow;

/// One part at a fixed position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    pub name: Cow<'static, str>,
    pub extent: Extent,
}

/// Length of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// That many characters.
    Fixed(usize),
    /// The length is given by that many digits before it.
    Counted(u8),
}

impl std::fmt::Display for Extent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fixed(1) => write!(f, "1 character"),
            Fixed(length) => write!(f, "{length} characters"),
            Counted(digits) => write!(f, "as {digits} digits before it count"),
        }
    }
}

use Extent::{Counted, Fixed};

/// DE90 of 1987: identifies the original of a reversal or completion.
const ORIGINAL_1987: &[(&str, Extent)] = &[
    ("message type", Fixed(4)),
    ("system trace audit number", Fixed(6)),
    ("transmission date and time", Fixed(10)),
    ("acquiring institution", Fixed(11)),
    ("forwarding institution", Fixed(11)),
];

/// DE90 of BASE24, with blanks where ISO has digits.
const ORIGINAL_BASE24: &[(&str, Extent)] = &[
    ("message type", Fixed(4)),
    ("sequence number", Fixed(12)),
    ("transaction date", Fixed(4)),
    ("transaction time", Fixed(8)),
    ("capture date", Fixed(4)),
    ("filler", Fixed(10)),
];

/// DE56 of 1993: original data.
const ORIGINAL_1993: &[(&str, Extent)] = &[
    ("message type", Fixed(4)),
    ("system trace audit number", Fixed(6)),
    ("date and time, local transaction", Fixed(12)),
    ("acquiring institution", Counted(2)),
];

/// DE56 of 2003: original data, with a longer trace number and time.
const ORIGINAL_2003: &[(&str, Extent)] = &[
    ("message type", Fixed(4)),
    ("system trace audit number", Fixed(12)),
    ("date and time, local transaction", Fixed(14)),
    ("acquiring institution", Counted(2)),
];

/// DE95 of 1987: replacement amounts.
const REPLACEMENT: &[(&str, Extent)] = &[
    ("actual amount, transaction", Fixed(12)),
    ("actual amount, settlement", Fixed(12)),
    ("actual amount, transaction fee", Fixed(9)),
    ("actual amount, settlement fee", Fixed(9)),
];

/// DE30 of 1993: original amounts.
const ORIGINAL_AMOUNTS_1993: &[(&str, Extent)] =
    &[("original amount, transaction", Fixed(12)), ("original amount, reconciliation", Fixed(12))];

/// DE30 of 2003: original amounts, each with currency and exponent.
const ORIGINAL_AMOUNTS_2003: &[(&str, Extent)] =
    &[("original amount, transaction", Fixed(16)), ("original amount, reconciliation", Fixed(16))];

/// Layouts of the standards and of BASE24.
pub(crate) fn original_data(version: crate::Version) -> Vec<Position> {
    positions(match version {
        crate::Version::V1987 => ORIGINAL_1987,
        crate::Version::V1993 => ORIGINAL_1993,
        crate::Version::V2003 => ORIGINAL_2003,
    })
}

pub(crate) fn original_data_base24() -> Vec<Position> {
    positions(ORIGINAL_BASE24)
}

pub(crate) fn replacement_amounts() -> Vec<Position> {
    positions(REPLACEMENT)
}

pub(crate) fn original_amounts(version: crate::Version) -> Vec<Position> {
    positions(if version == crate::Version::V2003 { ORIGINAL_AMOUNTS_2003 } else { ORIGINAL_AMOUNTS_1993 })
}

fn positions(list: &'static [(&str, Extent)]) -> Vec<Position> {
    list.iter().map(|(name, extent)| Position { name: Cow::Borrowed(*name), extent: *extent }).collect()
}

impl<'c> Parts<'c> {
    pub(super) fn position(&mut self, positions: &'c [Position]) -> Option<Result<Part<'c>, CutError>> {
        let Some(position) = positions.get(self.count) else {
            let left = self.left();
            let after =
                CutError { expected: Some(0), found: Some(left), ..self.fault(ErrorKind::TrailingData, self.at) };
            return (left > 0).then_some(Err(after));
        };
        let step = PathStep::Number(self.count as u8 + 1);
        Some(self.at_position(step, position.extent).map(|part| Part { name: &position.name, ..part }))
    }

    fn at_position(&mut self, step: PathStep, extent: Extent) -> Result<Part<'c>, CutError> {
        let (from, length) = match extent {
            Fixed(length) => (self.at, length),
            Counted(digits) => {
                let from = self.at + usize::from(digits);
                let said = self.content.get(self.at..from);
                let said = said.ok_or_else(|| self.short(self.at, digits.into()).in_step(step))?;
                let length = PrefixEncoding::Ascii.read(said);
                (from, length.ok_or_else(|| self.fault(ErrorKind::BadLength, self.at).in_step(step))?)
            }
        };
        if from + length > self.content.len() {
            return Err(self.short(from, length).in_step(step));
        }
        Ok(self.part(step, from, from + length, text))
    }
}
