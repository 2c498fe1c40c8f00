//! Datasets: one byte of identifier, two of length, then tags – or elements behind a small bitmap. The dialect must
//! declare those elements, because the bytes do not contain their lengths.

use super::{CutError, Form, Inner, Part, Parts, PathStep, bytes};
use crate::encoding::PrefixEncoding;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Bytes before the content of a dataset.
const BEFORE_VALUE: usize = 3;

/// The last identifier of datasets with tags; higher ones have elements behind a bitmap (ISO 8583:2003, 5.3).
const LAST_OF_TAGS: u8 = 0x70;

static TAGS: LazyLock<Inner> = LazyLock::new(|| Inner::new(Form::BerTlv));

impl<'c> Parts<'c> {
    pub(super) fn dataset(&mut self, declared: &'c BTreeMap<u8, Inner>) -> Result<Part<'c>, CutError> {
        let id = self.content[self.at];
        let step = PathStep::Tag(id.into());
        let from = self.at + BEFORE_VALUE;
        let length =
            self.content.get(self.at + 1..from).ok_or_else(|| self.short(self.at, BEFORE_VALUE).in_step(step))?;
        let length = PrefixEncoding::Binary.read(length).expect("any two bytes are a number");
        if from + length > self.content.len() {
            return Err(self.short(from, length).in_step(step));
        }
        // a dataset that is not declared is left whole
        let inner = declared.get(&id).or((id <= LAST_OF_TAGS).then(|| &*TAGS));
        Ok(Part { inner, ..self.part(step, from, from + length, bytes) })
    }
}
