//! Turns the standard's table into a dialect's rows, with its encodings and a file's exceptions.

use super::check;
use super::{Choices, DialectError, DialectFile, FieldFile, Reader};
use crate::de::{self, Exposure};
use crate::dialect::{Length, Rule};
use crate::ebcdic::CodePage;
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding};
use crate::tables::Row;

/// The general choices, which apply to every element without an exception.
#[derive(Clone, Debug)]
pub(crate) struct Defaults {
    numeric: Content,
    text: Content,
    track: Content,
    binary: Content,
    prefix: PrefixEncoding,
    unit: LengthUnit,
    pad_fixed: Padding,
    pad_variable: Padding,
    pub(super) page: CodePage,
}

impl Defaults {
    /// Reads the choices at `path` of the file; those that are absent are as in `outer`.
    pub(super) fn read(
        reader: &Reader<'_>,
        path: &str,
        choices: &Choices,
        page: CodePage,
        outer: Option<&Self>,
    ) -> Result<Self, DialectError> {
        let content = |key: &str, word: &Option<String>, format: Format, default: Content| {
            let key = format!("{path}{key}");
            let read = reader.choice(&key, word, |word| Content::of_word(word, page), Content::WORDS)?;
            check::suits(reader, &key, read.unwrap_or(default), format)
        };
        let key = |name: &str| format!("{path}{name}");
        let padding = |name: &str, word: &Option<String>, default: Padding| {
            let read = reader.choice(&key(name), word, Padding::of_word, Padding::WORDS)?;
            Ok::<_, DialectError>(read.unwrap_or(default))
        };
        let numeric = content("n", &choices.n, Format::Numeric, outer.map_or(Content::Ascii, |o| o.numeric))?;
        let track = match outer {
            Some(outer) if choices.n.is_none() => outer.track,
            _ => numeric,
        };
        let prefix = reader.choice(&key("len"), &choices.len, PrefixEncoding::of_word, PrefixEncoding::WORDS)?;
        let unit = reader.choice(&key("len_unit"), &choices.len_unit, LengthUnit::of_word, LengthUnit::WORDS)?;
        let pad_fixed = padding("pad", &choices.pad, outer.map_or(Padding::LeftZero, |o| o.pad_fixed))?;
        let pad_variable = match outer {
            Some(outer) if choices.pad.is_none() => outer.pad_variable,
            _ => pad_fixed,
        };
        Ok(Self {
            numeric,
            text: content("ch", &choices.ch, Format::Text, outer.map_or(Content::Ascii, |o| o.text))?,
            track: content("z", &choices.z, Format::Track, track)?,
            binary: content("b", &choices.b, Format::Binary, outer.map_or(Content::Raw, |o| o.binary))?,
            prefix: prefix.or(outer.map(|o| o.prefix)).unwrap_or(PrefixEncoding::Ascii),
            unit: unit.or(outer.map(|o| o.unit)).unwrap_or(LengthUnit::Digits),
            pad_fixed,
            pad_variable: padding("pad_var", &choices.pad_var, pad_variable)?,
            page,
        })
    }

    /// The encoding of the message type.
    pub(super) fn mti(&self, reader: &Reader<'_>, file: &DialectFile, page: CodePage) -> Result<Content, DialectError> {
        let of_digits = |word: &str| Content::of_word(word, page).filter(|content| content.suits(Format::Numeric));
        let read = reader.choice("mti", &file.mti, of_digits, &Content::WORDS[..3])?;
        Ok(read.unwrap_or(Content::Ascii))
    }

    fn content_of(&self, format: Format) -> Content {
        match format {
            Format::Numeric | Format::SignedNumeric => self.numeric,
            Format::Text => self.text,
            Format::Track => self.track,
            Format::Binary => self.binary,
        }
    }

    fn padding_of(&self, length: Length) -> Padding {
        if length == Length::Fixed { self.pad_fixed } else { self.pad_variable }
    }

    /// The unit that a prefix counts: bytes written in hex are counted as bytes, unless a row says otherwise.
    fn unit_of(&self, content: Content) -> LengthUnit {
        match content {
            Content::HexAscii | Content::HexEbcdic(_) => LengthUnit::Bytes,
            _ => self.unit,
        }
    }

    /// The row that follows from format and length alone.
    pub(crate) fn usual(&self, rule: &Rule) -> Rule {
        let content = self.content_of(rule.format);
        let (prefix, unit, padding) = (self.prefix, self.unit_of(content), self.padding_of(rule.length));
        Rule { content, prefix, unit, padding, ..*rule }
    }

    /// The keys and words of a dialect file for these choices.
    pub(crate) fn words(&self) -> [(&'static str, String); 8] {
        [
            ("n", self.numeric.word().into()),
            ("ch", self.text.word().into()),
            ("z", self.track.word().into()),
            ("b", self.binary.word().into()),
            ("len", self.prefix.word().into()),
            ("len_unit", self.unit.word().into()),
            ("pad", self.pad_fixed.word().into()),
            ("pad_var", self.pad_variable.word().into()),
        ]
    }

    /// The row of the standard's table in this dialect's encodings.
    pub(super) fn row(&self, element: u8, row: Row) -> Rule {
        let content = self.content_of(row.format);
        Rule {
            format: row.format,
            content,
            length: row.length,
            max: row.max,
            prefix: self.prefix,
            unit: self.unit_of(content),
            padding: self.padding_of(row.length),
            exposure: de::exposure(element),
        }
    }

    /// The row of an element with an exception; `base` is its row without one, if there is any, and `path` the path of
    /// the exception in the file.
    pub(super) fn exception(
        &self,
        reader: &Reader<'_>,
        path: &str,
        element: u8,
        base: Option<Rule>,
        exception: &FieldFile,
    ) -> Result<Rule, DialectError> {
        let key = |name: &str| format!("{path}fields.{element}.{name}");
        let missing = |name: &str| reader.wrong(&key(name), "missing, and the standard's table has no such row".into());
        let format = reader.choice(&key("format"), &exception.format, Format::of_word, Format::WORDS)?;
        let length = reader.choice(&key("len_type"), &exception.len_type, Length::of_word, Length::WORDS)?;
        let row = Row {
            format: format.or(base.map(|b| b.format)).ok_or_else(|| missing("format"))?,
            length: length.or(base.map(|b| b.length)).ok_or_else(|| missing("len_type"))?,
            max: exception.max_len.or(base.map(|b| b.max)).ok_or_else(|| missing("max_len"))?,
        };
        let of_content = |word: &str| Content::of_word(word, self.page);
        let content = reader.choice(&key("enc"), &exception.enc, of_content, Content::WORDS)?;
        let content = content.unwrap_or_else(|| self.content_of(row.format));
        let prefix =
            reader.choice(&key("len_enc"), &exception.len_enc, PrefixEncoding::of_word, PrefixEncoding::WORDS)?;
        let unit = reader.choice(&key("len_unit"), &exception.len_unit, LengthUnit::of_word, LengthUnit::WORDS)?;
        let padding = reader.choice(&key("pad"), &exception.pad, Padding::of_word, Padding::WORDS)?;
        let shown = reader.choice(&key("show"), &exception.show, Exposure::of_word, Exposure::WORDS)?;
        let rule = Rule {
            format: row.format,
            content,
            length: row.length,
            max: row.max,
            prefix: prefix.unwrap_or(self.prefix),
            unit: unit.unwrap_or_else(|| self.unit_of(content)),
            padding: padding.unwrap_or_else(|| self.padding_of(row.length)),
            exposure: shown.or(base.map(|b| b.exposure)).unwrap_or(Exposure::Clear),
        };
        check::row(reader, &key, &rule, exception)?;
        if path.is_empty() {
            check::shown(reader, &key("show"), element, rule.exposure)?;
        }
        Ok(rule)
    }
}
