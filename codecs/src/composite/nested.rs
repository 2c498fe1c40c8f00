//! Elements within an element, behind a bitmap of their own. Their rows are in the dialect, like those of the message.

use super::{CutError, Inner, Part, Parts, Path, PathStep};
use crate::dialect::{BitmapEncoding, Length, Rule};
use crate::ebcdic::CodePage;
use crate::encoding::hex_value;
use crate::error::ErrorKind;
use crate::field::Field;
use std::collections::BTreeMap;

/// Description of an inner bitmap and the elements behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Nested {
    pub bitmap: BitmapEncoding,
    pub page: CodePage,
    /// Bits of the bitmap: a multiple of eight, at most 64.
    pub bits: u8,
    /// Whether the content may instead be XML, which begins with `<` and has no parts.
    pub or_xml: bool,
    pub rows: BTreeMap<u8, Row>,
}

/// The row of one inner element.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub rule: Rule,
    pub name: String,
    pub inner: Option<Inner>,
}

/// The number that stands for the bitmap as a part.
pub(super) const BITMAP: u8 = 0;

impl Nested {
    /// Bytes of the bitmap on the wire.
    pub(super) fn bitmap_len(&self) -> usize {
        let bytes = usize::from(self.bits / 8);
        if self.bitmap == BitmapEncoding::Raw { bytes } else { bytes * 2 }
    }

    /// The bits, the first one most significant; the error is the position of a character that is no hex digit.
    fn bits_of(&self, raw: &[u8]) -> Result<u64, usize> {
        let unshifted = raw.iter().enumerate().try_fold(0u64, |bits, (at, byte)| match self.bitmap {
            BitmapEncoding::Raw => Ok(bits << 8 | u64::from(*byte)),
            BitmapEncoding::HexAscii => hex_value(*byte).map(|v| bits << 4 | u64::from(v)).ok_or(at),
            BitmapEncoding::HexEbcdic => hex_value(self.page.decode(*byte)).map(|v| bits << 4 | u64::from(v)).ok_or(at),
        })?;
        Ok(unshifted << (64 - u32::from(self.bits)))
    }
}

impl<'c> Parts<'c> {
    pub(super) fn element(&mut self, nested: &'c Nested) -> Option<Result<Part<'c>, CutError>> {
        let Some(present) = self.present else { return self.inner_bitmap(nested) };
        if present == 0 {
            let left = self.left();
            let after =
                CutError { expected: Some(0), found: Some(left), ..self.fault(ErrorKind::TrailingData, self.at) };
            return (left > 0).then_some(Err(after));
        }
        let lead = present.leading_zeros();
        self.present = Some(present & !(1 << (63 - lead)));
        let number = lead as u8 + 1;
        Some(match nested.rows.get(&number) {
            Some(row) => self.row(number, row),
            None => Err(self.fault(ErrorKind::NoRule, self.at).in_step(PathStep::Number(number))),
        })
    }

    fn inner_bitmap(&mut self, nested: &Nested) -> Option<Result<Part<'c>, CutError>> {
        if self.content.is_empty() || (nested.or_xml && self.content[0] == b'<') {
            (self.at, self.present) = (self.content.len(), Some(0));
            return None;
        }
        let step = PathStep::Number(BITMAP);
        let Some(raw) = self.content.get(..nested.bitmap_len()) else {
            return Some(Err(self.short(0, nested.bitmap_len()).in_step(step)));
        };
        match nested.bits_of(raw) {
            Ok(present) => {
                self.present = Some(present);
                Some(Ok(self.part(step, 0, raw.len(), super::bytes)))
            }
            Err(at) => Some(Err(self.fault(ErrorKind::BadHex, at).in_step(step))),
        }
    }

    fn row(&mut self, number: u8, row: &'c Row) -> Result<Part<'c>, CutError> {
        let step = PathStep::Number(number);
        let rule = &row.rule;
        let (from, units) = match rule.length {
            Length::Fixed => (self.at, rule.max),
            Length::Prefix(digits) => self.prefix(rule, digits).map_err(|fault| fault.in_step(step))?,
        };
        let to = from + rule.wire_len(units);
        let raw = self.content.get(from..to).ok_or_else(|| self.short(from, to - from).in_step(step))?;
        let value = Field { raw, rule, units };
        if let Err((kind, at)) = value.check() {
            return Err(CutError { path: Path::of(Some(step)), ..self.fault(kind, from + at) });
        }
        let whole = &self.content[self.at..to];
        self.at = to;
        Ok(Part {
            step,
            value,
            raw: whole,
            at: from,
            name: &row.name,
            exposure: Some(rule.exposure),
            inner: row.inner.as_ref(),
        })
    }

    /// Start and length of the content of a row with a length prefix.
    fn prefix(&self, rule: &Rule, digits: u8) -> Result<(usize, usize), CutError> {
        let from = self.at + rule.prefix.wire_len(digits);
        let raw = self.content.get(self.at..from).ok_or_else(|| self.short(self.at, from - self.at))?;
        let said = rule.prefix.read(raw);
        let units = said.and_then(|said| rule.units(said, &self.content[from..]));
        let units = units.ok_or_else(|| self.fault(ErrorKind::BadLength, self.at))?;
        if units > rule.max {
            let fault = self.fault(ErrorKind::LengthOverMax, self.at);
            return Err(CutError { expected: Some(rule.max), found: Some(units), ..fault });
        }
        Ok((from, units))
    }
}
