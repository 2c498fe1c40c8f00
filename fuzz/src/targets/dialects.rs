//! The dialect that an input is read in: a shipped one, or one made of the input's own choices.

use super::golden::goldens;
use bytes::Bytes;
use codecs::Dialect;
use codecs::dialect::{self, Keys, SHIPPED};
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
    let keys = choices.dialect(which & 7)?;
    let dialect = Dialect::from_keys("made", &keys, &|base| dialect::shipped_text(base).map(Into::into)).ok()?;
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
const ASCII: &[u8] = &[MADE | 1, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 2, 3, 1, 55, 3, 6, 3, 255, 3, 4];
/// Those of iso87-binary, with exceptions for DE55, DE35 and the three currencies.
#[rustfmt::skip]
const BINARY: &[u8] = &[
    MADE | 5, 0, 1, 1, 0, 1, 0, 0, 1, 0, 0, 1, 2, 3, 1, // the axes
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
    fn choose(&mut self, keys: &mut Keys, key: &str, values: &[&str]) -> Option<()> {
        let byte = usize::from(self.byte()?);
        if let Some(value) = values.get(byte % (values.len() + 1)) {
            keys.insert(key.into(), (*value).into());
        }
        Some(())
    }

    fn dialect(&mut self, exceptions: u8) -> Option<Keys> {
        let chars = &["ascii", "bcd", "ebcdic"];
        let bitmaps = &["bin", "hexascii", "hexebcdic"];
        let pads = &["left0", "right0", "rightF"];
        let mut keys = Keys::new();
        keys.insert("version".into(), "2003".into());
        for (key, values) in [
            ("version", &["1987", "1993"][..]),
            ("mti", chars),
            ("n", chars),
            ("ch", &["ascii", "ebcdic"]),
            ("z", chars),
            ("bitmap", bitmaps),
            ("b", &["raw", "hexascii", "hexebcdic"]),
            ("len", &["ascii", "bcd", "ebcdic", "bin"]),
            ("len_unit", &["digits", "bytes"]),
            ("pad", pads),
            ("pad_var", pads),
            ("tertiary", &["after-secondary", "de127"]),
            ("bitmap3", bitmaps),
            ("ebcdic_page", &["cp037", "cp500", "cp1047"]),
        ] {
            self.choose(&mut keys, key, values)?;
        }
        let mut fields = Keys::new();
        for _ in 0..exceptions {
            let element = self.byte()?;
            fields.insert(element.to_string(), self.exception()?.into());
        }
        keys.insert("fields".into(), fields.into());
        Some(keys)
    }

    fn exception(&mut self) -> Option<Keys> {
        let mut keys = Keys::new();
        let lengths = &["fixed", "lvar", "llvar", "lllvar", "llllvar", "lllllvar", "llllllvar"];
        self.choose(&mut keys, "format", &["n", "x+n", "ans", "b", "z"])?;
        self.choose(&mut keys, "enc", &["ascii", "ebcdic", "bcd", "raw", "hexascii", "hexebcdic"])?;
        self.choose(&mut keys, "len_type", lengths)?;
        keys.insert("max_len".into(), i64::from(self.byte()?).into());
        self.choose(&mut keys, "pad", &["left0", "right0", "rightF"])?;
        self.choose(&mut keys, "len_enc", &["ascii", "bcd", "ebcdic", "bin"])?;
        Some(keys)
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
