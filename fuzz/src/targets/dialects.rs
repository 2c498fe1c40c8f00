//! The dialect that an input is read in: a shipped one, or one made of the input's own choices.

use super::golden::goldens;
use bytes::Bytes;
use codecs::Dialect;
use codecs::dialect::{self, DialectFile, FieldFile, SHIPPED};
use std::sync::{Arc, LazyLock};

static SHIPPED_READ: LazyLock<Vec<Arc<Dialect>>> =
    LazyLock::new(|| SHIPPED.iter().map(|(name, _)| dialect::shipped(name).expect("shipped dialects read")).collect());

/// Values of the first byte from here up say that the choices of a dialect follow.
const MADE: u8 = 0x80;

pub fn choices() -> usize {
    SHIPPED.len()
}

/// Input: which shipped dialect, or the choices of one; then the message. `None` where the choices make no dialect.
pub fn dialect_and_message(input: &[u8]) -> Option<(Arc<Dialect>, Bytes)> {
    let (which, rest) = input.split_first()?;
    if *which < MADE {
        let dialect = &SHIPPED_READ[usize::from(*which) % SHIPPED_READ.len()];
        return Some((Arc::clone(dialect), Bytes::copy_from_slice(rest)));
    }
    let mut choices = Choices { rest };
    let file = choices.dialect(which & 7)?;
    let dialect = Dialect::from_file("made", &file).ok()?;
    Some((Arc::new(dialect), Bytes::copy_from_slice(choices.rest)))
}

/// The golden messages of the shipped dialects; those of two of them also in the same dialect, made of choices.
pub fn seeds() -> Vec<Vec<u8>> {
    let which = |name: &str| SHIPPED.iter().position(|(known, _)| *known == name);
    let mut seeds = Vec::new();
    for golden in goldens() {
        let choices = match golden.dialect.as_str() {
            "iso87-ascii" => Some(ASCII),
            "iso87-binary" => Some(BINARY),
            _ => None,
        };
        seeds.extend(choices.map(|choices| [choices, &golden.bytes].concat()));
        seeds.extend(which(&golden.dialect).map(|which| [&[which as u8][..], &golden.bytes].concat()));
    }
    seeds
}

/// The choices that give iso87-ascii, in the order of [`Choices::dialect`]; its exception is DE55.
const ASCII: &[u8] = &[MADE | 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2, 0, 1, 55, 3, 6, 3, 255, 3, 4];
/// Those of iso87-binary, with exceptions for DE55, DE35 and the three currencies.
#[rustfmt::skip]
const BINARY: &[u8] = &[
    MADE | 5, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 2, 0, 1, // the axes
    55, 3, 6, 3, 255, 3, 4, 49, 0, 6, 0, 3, 3, 4, 35, 5, 6, 7, 37, 2, 4,
    50, 0, 6, 0, 3, 3, 4, 51, 0, 6, 0, 3, 3, 4,
];

/// The words of every shipped dialect.
pub fn dictionary() -> Vec<Vec<u8>> {
    let mut words: Vec<Vec<u8>> =
        SHIPPED_READ.iter().flat_map(|dialect| dialect.dictionary()).map(|word| word.bytes).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// Reads choices off the front of an input.
struct Choices<'i> {
    rest: &'i [u8],
}

impl Choices<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// One of the values, or none: the key is then absent.
    fn value(&mut self, values: &[&str]) -> Option<Option<String>> {
        let byte = usize::from(self.byte()?);
        Some(values.get(byte % (values.len() + 1)).map(|value| (*value).to_owned()))
    }

    fn dialect(&mut self, exceptions: u8) -> Option<DialectFile> {
        let chars = ["ascii", "bcd", "ebcdic"];
        let bitmaps = ["bin", "hexascii", "hexebcdic"];
        let pads = ["left0", "right0", "rightF"];
        let version = self.value(&["1987", "1993"])?;
        let mut file = DialectFile {
            version: Some(version.unwrap_or("2003".into())),
            mti: self.value(&chars)?,
            n: self.value(&chars)?,
            ch: self.value(&["ascii", "ebcdic"])?,
            z: self.value(&chars)?,
            bitmap: self.value(&bitmaps)?,
            b: self.value(&["raw", "hexascii", "hexebcdic"])?,
            len: self.value(&["ascii", "bcd", "ebcdic", "bin"])?,
            len_unit: self.value(&["digits", "bytes"])?,
            pad: self.value(&pads)?,
            pad_var: self.value(&pads)?,
            tertiary: self.value(&["after-secondary", "de127"])?,
            bitmap3: self.value(&bitmaps)?,
            ebcdic_page: self.value(&["cp037", "cp500", "cp1047"])?,
            ..DialectFile::default()
        };
        for _ in 0..exceptions {
            let element = self.byte()?;
            file.fields.insert(element.to_string(), self.exception()?);
        }
        Some(file)
    }

    fn exception(&mut self) -> Option<FieldFile> {
        Some(FieldFile {
            format: self.value(&["n", "x+n", "ans", "b", "z"])?,
            enc: self.value(&["ascii", "ebcdic", "bcd", "raw", "hexascii", "hexebcdic"])?,
            len_type: self.value(&["fixed", "lvar", "llvar", "lllvar", "llllvar", "lllllvar", "llllllvar"])?,
            max_len: self.byte().map(usize::from),
            pad: self.value(&["left0", "right0", "rightF"])?,
            len_enc: self.value(&["ascii", "bcd", "ebcdic", "bin"])?,
            ..FieldFile::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use codecs::Message;

    #[test]
    fn seeds_are_messages() {
        for seed in seeds() {
            let (dialect, bytes) = dialect_and_message(&seed).expect("a seed names its dialect");
            Message::decode(&dialect, bytes).unwrap_or_else(|fault| panic!("{}: {fault}", dialect.name));
        }
    }
}
