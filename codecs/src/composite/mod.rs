//! Composite elements: elements whose content consists of parts (tags, tokens, positions, inner elements).
//!
//! A dialect gives the form of an element's content ([`Inner`]); the content is cut into parts only on request. A part
//! borrows the content. Unknown tags, order and repetitions are preserved: the bytes of all parts in order are the
//! content again.

mod amounts;
mod datasets;
mod error;
mod join;
mod nested;
mod positions;
mod tagged;
mod tokens;

pub(crate) use amounts::{SET, SET_2003};
pub use error::{CutError, Label, Path, PathStep};
pub use join::JoinError;
pub use nested::{Nested, Row};
pub use positions::{Extent, Position};
pub(crate) use positions::{original_amounts, original_data, original_data_base24, replacement_amounts};
pub use tagged::{Order, Tagging};

use crate::de::Exposure;
use crate::dialect::{Length, Rule};
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use crate::error::ErrorKind;
use crate::field::Field;
use crate::tlv;
use std::collections::BTreeMap;

/// Form of composite content: how it is divided into parts.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// Tags, lengths and values as in EMV.
    BerTlv,
    /// One byte of identifier, two of length, then BER-TLV – or, if the dialect declares it, elements behind a small
    /// bitmap (ISO 8583:2003, and the chip data of some networks).
    Datasets(BTreeMap<u8, Inner>),
    /// A tag and a length before each value.
    Tagged(Tagging),
    /// BASE24 tokens: a header that counts them, then an identifier of two characters and a length before each.
    Tokens,
    /// Sets of an additional amount, each of that many characters.
    Amounts(usize),
    /// Parts at fixed positions.
    Positions(Vec<Position>),
    /// Elements behind a bitmap of their own.
    Bitmap(Nested),
}

/// The form of an element's content, and what the dialect says about its tags.
#[derive(Clone, Debug, PartialEq)]
pub struct Inner {
    pub form: Form,
    pub(crate) tags: BTreeMap<String, TagNote>,
}

/// Name and exposure that a dialect gives to a tag.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TagNote {
    pub(crate) name: String,
    pub(crate) exposure: Exposure,
}

/// A part of an element's content.
#[derive(Clone, Copy)]
pub struct Part<'c> {
    /// Its tag or number.
    pub step: PathStep,
    pub value: Field<'c>,
    /// All its bytes: padding before it, tag, length, value.
    pub raw: &'c [u8],
    /// Offset of its value in the content.
    pub at: usize,
    /// Its name in the dialect or the standard; empty if neither has one.
    pub name: &'c str,
    /// How much of it the dialect allows to be shown.
    pub exposure: Option<Exposure>,
    /// The form of its value, if that is composite too.
    pub inner: Option<&'c Inner>,
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.step, self.value.len())
    }
}

const fn plain(format: Format, content: Content) -> Rule {
    Rule {
        format,
        content,
        length: Length::Prefix(6),
        max: usize::MAX,
        prefix: PrefixEncoding::Binary,
        unit: LengthUnit::Bytes,
        padding: Padding::LeftZero,
        exposure: Exposure::Hidden,
    }
}

/// Rules for values without an encoding of their own: bytes, and characters.
static BYTES: Rule = plain(Format::Binary, Content::Raw);
static TEXT: Rule = plain(Format::Text, Content::Ascii);

fn bytes(raw: &[u8]) -> Field<'_> {
    Field { raw, rule: &BYTES, units: raw.len() }
}

fn text(raw: &[u8]) -> Field<'_> {
    Field { raw, rule: &TEXT, units: raw.len() }
}

impl Inner {
    pub fn new(form: Form) -> Self {
        Self { form, tags: BTreeMap::new() }
    }

    /// The parts of an element's content (ASCII characters, or bytes for a binary element), in order. Ends after the
    /// first fault.
    pub fn parts<'c>(&'c self, content: &'c [u8]) -> Parts<'c> {
        Parts { inner: self, content, at: 0, count: 0, present: None }
    }

    /// Checks that content can be cut into parts, and composite values in it as well.
    ///
    /// # Errors
    /// The first fault, with the path to it.
    pub fn check(&self, content: &[u8]) -> Result<(), CutError> {
        for part in self.parts(content) {
            let part = part?;
            if let Some(inner) = part.inner {
                inner.check(&part.value.content()).map_err(|fault| fault.within(&part))?;
            }
        }
        Ok(())
    }

    /// The first part with that tag or number.
    ///
    /// # Errors
    /// The content is malformed before that part.
    pub fn find<'c>(&'c self, content: &'c [u8], step: PathStep) -> Result<Option<Part<'c>>, CutError> {
        for part in self.parts(content) {
            let part = part?;
            if part.step == step {
                return Ok(Some(part));
            }
        }
        Ok(None)
    }

    fn note(&self, step: PathStep) -> Option<&TagNote> {
        self.tags.get(step.label().as_str())
    }
}

/// Iterator over the parts of a content.
#[derive(Clone, Debug)]
pub struct Parts<'c> {
    inner: &'c Inner,
    content: &'c [u8],
    at: usize,
    /// Number of parts yielded.
    count: usize,
    /// Remaining bits of an inner bitmap.
    present: Option<u64>,
}

impl<'c> Parts<'c> {
    /// The bytes after the last part: padding between tags, or nothing.
    pub fn rest(&self) -> &'c [u8] {
        &self.content[self.at..]
    }

    fn left(&self) -> usize {
        self.content.len() - self.at
    }

    /// A part with its value at `from..to` of the content; the next part begins after it.
    fn part(&mut self, step: PathStep, from: usize, to: usize, value: fn(&'c [u8]) -> Field<'c>) -> Part<'c> {
        let raw = &self.content[self.at..to];
        self.at = to;
        Part { step, value: value(&self.content[from..to]), raw, at: from, name: "", exposure: None, inner: None }
    }

    fn fault(&self, kind: ErrorKind, offset: usize) -> CutError {
        CutError { kind, path: Path::default(), offset, expected: None, found: None }
    }

    /// The error for `wanted` bytes at `offset` of which fewer are left.
    fn short(&self, offset: usize, wanted: usize) -> CutError {
        let found = self.content.len().saturating_sub(offset);
        CutError { expected: Some(wanted), found: Some(found), ..self.fault(ErrorKind::Truncated, offset) }
    }

    fn ber(&mut self) -> Option<Result<Part<'c>, CutError>> {
        let filler = self.rest().iter().take_while(|byte| matches!(byte, 0x00 | 0xFF)).count();
        let start = self.at + filler;
        if start == self.content.len() {
            return None;
        }
        Some(match tlv::cut(&self.content[start..]) {
            Ok((tag, value, end)) => {
                let from = start + end - value.len();
                Ok(self.part(PathStep::Tag(tag), from, start + end, bytes))
            }
            Err(fault) => Err(CutError {
                kind: ErrorKind::BadTlv,
                path: Path::of((fault.tag != 0).then_some(PathStep::Tag(fault.tag))),
                offset: start + fault.offset,
                expected: fault.expected,
                found: fault.found,
            }),
        })
    }
}

impl<'c> Iterator for Parts<'c> {
    type Item = Result<Part<'c>, CutError>;

    fn next(&mut self) -> Option<Self::Item> {
        let inner = self.inner;
        let next = match &inner.form {
            Form::Bitmap(nested) => self.element(nested),
            Form::Positions(positions) => self.position(positions),
            _ if self.rest().is_empty() => None,
            Form::BerTlv => self.ber(),
            Form::Datasets(sets) => Some(self.dataset(sets)),
            Form::Tagged(tagging) => Some(self.tagged(*tagging)),
            Form::Tokens => Some(self.token()),
            Form::Amounts(width) => Some(self.amount(*width)),
        };
        self.count = self.count.saturating_add(1);
        match next? {
            Ok(mut part) => {
                if let Some(note) = inner.note(part.step) {
                    (part.name, part.exposure) = (&note.name, Some(note.exposure));
                }
                Some(Ok(part))
            }
            Err(fault) => {
                // after a fault nothing else can be located
                (self.at, self.present, self.count) = (self.content.len(), Some(0), usize::MAX);
                Some(Err(fault))
            }
        }
    }
}
