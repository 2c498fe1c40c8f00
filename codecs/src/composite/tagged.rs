//! Tag-length-value composites, in characters (most private data) or in binary.

use super::{CutError, Part, Parts, PathStep, bytes, text};
use crate::encoding::PrefixEncoding;
use crate::error::ErrorKind;

/// Whether tag or length comes first, and what the length counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Tag, then the length of the value.
    TagLength,
    /// The length of tag and value together, then the tag.
    LengthTag,
}

/// Sizes and encoding of tag and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tagging {
    pub order: Order,
    /// Tag and length in bytes, most significant first; otherwise in characters, the length in decimal digits.
    pub binary: bool,
    pub tag: usize,
    pub length: usize,
}

impl Tagging {
    /// Private data subelements (PDS) of clearing records: tag 4, length 3.
    pub const PDS: Self = Self { order: Order::TagLength, binary: false, tag: 4, length: 3 };

    /// Parses `tag2-len2`, `len3-tag2`, `bin-tag2-len1` and the like: tags of up to six characters (three bytes),
    /// lengths of up to four (two bytes).
    pub fn of_word(word: &str) -> Option<Self> {
        let (binary, word) = word.strip_prefix("bin-").map_or((false, word), |rest| (true, rest));
        let (first, second) = word.split_once('-')?;
        let size = |text: &str, of: &str| text.strip_prefix(of)?.parse::<usize>().ok();
        let (order, tag, length) = match (size(first, "tag"), size(second, "len")) {
            (Some(tag), Some(length)) => (Order::TagLength, tag, length),
            _ => (Order::LengthTag, size(second, "tag")?, size(first, "len")?),
        };
        let most = if binary { (3, 2) } else { (6, 4) };
        let fits = (1..=most.0).contains(&tag) && (1..=most.1).contains(&length);
        fits.then_some(Self { order, binary, tag, length })
    }

    /// The word that [`Tagging::of_word`] reads.
    pub fn word(self) -> String {
        let binary = if self.binary { "bin-" } else { "" };
        match self.order {
            Order::TagLength => format!("{binary}tag{}-len{}", self.tag, self.length),
            Order::LengthTag => format!("{binary}len{}-tag{}", self.length, self.tag),
        }
    }

    /// The largest length that can be represented.
    pub(super) fn most(self) -> usize {
        let digits = self.length as u8;
        if self.binary { PrefixEncoding::Binary.most(2 * digits) } else { PrefixEncoding::Ascii.most(digits) }
    }

    fn number(self, raw: &[u8]) -> Option<usize> {
        if self.binary { PrefixEncoding::Binary.read(raw) } else { PrefixEncoding::Ascii.read(raw) }
    }

    fn step(self, raw: &[u8]) -> Option<PathStep> {
        if self.binary {
            return Some(PathStep::Tag(raw.iter().fold(0, |tag, byte| tag << 8 | u32::from(*byte))));
        }
        raw.iter().all(u8::is_ascii_alphanumeric).then(|| PathStep::text(raw))?
    }
}

impl<'c> Parts<'c> {
    pub(super) fn tagged(&mut self, tagging: Tagging) -> Result<Part<'c>, CutError> {
        let (tag_at, length_at) = match tagging.order {
            Order::TagLength => (self.at, self.at + tagging.tag),
            Order::LengthTag => (self.at + tagging.length, self.at),
        };
        let from = self.at + tagging.tag + tagging.length;
        let tag = self.content.get(tag_at..tag_at + tagging.tag).ok_or_else(|| self.short(self.at, from - self.at))?;
        let step = tagging.step(tag).ok_or_else(|| self.fault(ErrorKind::Class, tag_at))?;
        let length = self.content.get(length_at..length_at + tagging.length);
        let length = length.ok_or_else(|| self.short(length_at, tagging.length).in_step(step))?;
        let said = tagging.number(length).and_then(|said| match tagging.order {
            Order::TagLength => Some(said),
            Order::LengthTag => said.checked_sub(tagging.tag),
        });
        let said = said.ok_or_else(|| self.fault(ErrorKind::BadLength, length_at).in_step(step))?;
        if from + said > self.content.len() {
            return Err(self.short(from, said).in_step(step));
        }
        Ok(self.part(step, from, from + said, if tagging.binary { bytes } else { text }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::composite::{Form, Inner};

    fn cut(word: &str, content: &[u8]) -> Result<Vec<(String, Vec<u8>)>, String> {
        let inner = Inner::new(Form::Tagged(Tagging::of_word(word).unwrap()));
        let parts = inner.parts(content);
        parts
            .map(|part| part.map(|part| (part.step.label(), part.value.content().into_owned())))
            .collect::<Result<_, _>>()
            .map_err(|fault| fault.to_string())
    }

    #[test]
    fn each_form_is_cut() {
        let part = |tag: &str, value: &[u8]| (tag.to_owned(), value.to_vec());
        for (word, content, parts) in [
            ("tag2-len2", &b"920312361011"[..], vec![part("92", b"123"), part("61", b"1")]),
            (
                "tag4-len3",
                b"0122001T0025001R0122001P",
                vec![part("0122", b"T"), part("0025", b"R"), part("0122", b"P")],
            ),
            ("tag3-len3", b"0010050ABCD", vec![part("001", b"0ABCD")]),
            ("len3-tag2", b"00541ABC00242", vec![part("41", b"ABC"), part("42", b"")]),
            ("len2-tag2", b"0441AB", vec![part("41", b"AB")]),
            ("bin-tag2-len1", b"\xDF\x01\x02\x00\xFF\x00\x07\x00", vec![part("DF01", b"\x00\xFF"), part("07", b"")]),
            ("bin-tag1-len2", b"\x01\x00\x01Z", vec![part("01", b"Z")]),
        ] {
            assert_eq!(cut(word, content), Ok(parts), "{word}");
            assert_eq!(Tagging::of_word(word).unwrap().word(), word);
        }
    }

    #[test]
    fn a_fault_names_part_byte_and_sizes() {
        for (word, content, fault) in [
            ("tag2-len2", &b"9203123619"[..], "truncated in /61 at byte 9 (expected 2, found 1)"),
            ("tag2-len2", b"61", "truncated in /61 at byte 2 (expected 2, found 0)"),
            ("tag2-len2", b"92X3123", "bad-length in /92 at byte 2"),
            ("tag2-len2", b"9", "truncated at byte 0 (expected 4, found 1)"),
            ("tag4-len3", b"01-2001T", "class at byte 0"),
            ("len3-tag2", b"00141", "bad-length in /41 at byte 0"),
            ("bin-tag2-len1", b"\xDF\x01\x05abcd", "truncated in /DF01 at byte 3 (expected 5, found 4)"),
        ] {
            assert_eq!(cut(word, content), Err(fault.into()), "{word}");
        }
    }

    #[test]
    fn only_sensible_forms_have_a_name() {
        for word in
            ["tag0-len2", "tag7-len2", "tag2-len5", "bin-tag4-len1", "bin-tag2-len3", "tag2", "tag-len", "x2-len2"]
        {
            assert_eq!(Tagging::of_word(word), None, "{word}");
        }
    }
}
