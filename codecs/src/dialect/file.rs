//! The file form of a dialect: independent choices plus exceptions per element, read into rows.

use super::{BitmapEncoding, Dialect, Length, Rule, Stride, Tertiary, Version};
use crate::de;
use crate::ebcdic::CodePage;
use crate::encoding::{Content, Format, LengthUnit, Padding, PrefixEncoding, from_hex};
use crate::tables;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A mistake in a dialect: which file, which key, and why it cannot be so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{reason}", if key.is_empty() { String::new() } else { format!("{key}: ") })]
pub struct DialectError {
    pub file: String,
    pub key: String,
    pub reason: String,
}

/// The keys of a dialect file (docs/dialects.md); all optional, so that one file can extend another.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct DialectFile {
    pub extends: Option<String>,
    pub description: Option<String>,
    pub version: Option<String>,
    pub mti: Option<String>,
    pub n: Option<String>,
    pub ch: Option<String>,
    pub z: Option<String>,
    pub bitmap: Option<String>,
    pub b: Option<String>,
    pub len: Option<String>,
    pub len_unit: Option<String>,
    pub pad: Option<String>,
    pub pad_var: Option<String>,
    pub tertiary: Option<String>,
    pub bitmap3: Option<String>,
    pub ebcdic_page: Option<String>,
    pub header: Option<String>,
    #[serde(default)]
    pub fields: BTreeMap<String, FieldFile>,
}

/// An element's exception to the rules of its dialect.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldFile {
    pub format: Option<String>,
    pub enc: Option<String>,
    pub len_type: Option<String>,
    pub max_len: Option<usize>,
    pub pad: Option<String>,
    pub len_enc: Option<String>,
    /// Prose for people: what the partner keeps in the element.
    pub note: Option<String>,
}

macro_rules! overlay {
    ($over:ident, $base:ident; $($key:ident)*) => { $( $over.$key = $over.$key.take().or($base.$key); )* };
}

impl DialectFile {
    /// This file's keys over those of the file it extends.
    fn over(mut self, base: Self) -> Self {
        let this = &mut self;
        overlay!(this, base; version mti n ch z bitmap b len len_unit pad pad_var tertiary bitmap3 ebcdic_page header);
        for (number, below) in base.fields {
            let above = this.fields.entry(number).or_default();
            overlay!(above, below; format enc len_type max_len pad len_enc note);
        }
        self
    }
}

fn parse(name: &str, text: &str) -> Result<DialectFile, DialectError> {
    toml::from_str(text).map_err(|e| DialectError {
        file: name.into(),
        key: String::new(),
        reason: e.to_string().trim_end().into(),
    })
}

impl Dialect {
    /// Reads a dialect from TOML text; `source` gives the text of a dialect it extends, by name.
    ///
    /// # Errors
    /// Names the file, the key and what is wrong with it.
    pub fn from_toml(
        name: &str,
        text: &str,
        source: &dyn Fn(&str) -> Result<String, DialectError>,
    ) -> Result<Self, DialectError> {
        Self::resolve(name, parse(name, text)?, source)
    }

    /// Reads a dialect whose keys are at hand, whatever form they were written in; `source` as in
    /// [`Dialect::from_toml`].
    ///
    /// # Errors
    /// As [`Dialect::from_toml`].
    pub fn resolve(
        name: &str,
        mut file: DialectFile,
        source: &dyn Fn(&str) -> Result<String, DialectError>,
    ) -> Result<Self, DialectError> {
        let mut seen = vec![name.to_owned()];
        while let Some(base) = file.extends.take() {
            if seen.contains(&base) {
                return Err(Reader { file: name }.wrong("extends", format!("{base} extends itself")));
            }
            let mut below = parse(&base, &source(&base)?)?;
            let next = below.extends.take();
            seen.push(base);
            file = file.over(below);
            file.extends = next;
        }
        Self::from_file(name, &file)
    }

    /// Turns a file's keys into rows. `extends` must have been resolved.
    ///
    /// # Errors
    /// Names the key and what is wrong with it.
    pub fn from_file(name: &str, file: &DialectFile) -> Result<Self, DialectError> {
        let reader = Reader { file: name };
        let ebcdic = reader.page(file.ebcdic_page.as_deref())?;
        let version = reader.version(file.version.as_deref())?;
        let defaults = Defaults::read(&reader, file, ebcdic)?;
        let mut rules = Box::new([None; 193]);
        let table = match version {
            Version::V1987 => &tables::ISO87,
            Version::V1993 => &tables::ISO93,
            Version::V2003 => &tables::ISO03,
        };
        for (index, row) in table.iter().enumerate().skip(1) {
            let element = (index + 1) as u8;
            rules[index + 1] = Some(defaults.row(element, row));
        }
        // 65 is only reserved: without a declared layout of the third bitmap it is an error, not a guess
        rules[usize::from(de::BITMAP_TERTIARY)] = None;
        let mut notes = BTreeMap::new();
        for (number, exception) in &file.fields {
            let element = number.parse::<u8>().ok().filter(|n| (2..=192).contains(n));
            let element =
                element.ok_or_else(|| reader.wrong(&format!("fields.{number}"), "no element 2–192".into()))?;
            let row = &mut rules[usize::from(element)];
            *row = Some(defaults.exception(&reader, element, *row, exception)?);
            notes.extend(exception.note.clone().map(|note| (element, note)));
        }
        let bitmap = reader.bitmap("bitmap", file.bitmap.as_deref().unwrap_or("bin"))?;
        let tertiary = match file.tertiary.as_deref() {
            None => None,
            Some("after-secondary") => Some(Tertiary::AfterSecondary),
            Some("de127") => Some(Tertiary::InDe127),
            Some(other) => return Err(reader.unknown("tertiary", other, "after-secondary, de127")),
        };
        let tertiary = tertiary
            .map(|place| reader.bitmap("bitmap3", file.bitmap3.as_deref().unwrap_or("bin")).map(|b| (place, b)))
            .transpose()?;
        let header = match &file.header {
            None => Vec::new(),
            Some(hex) => from_hex(hex).ok_or_else(|| reader.wrong("header", "no hex string".into()))?,
        };
        let description = file.description.clone().unwrap_or_default();
        Ok(Self {
            name: name.into(),
            description,
            version,
            mti: defaults.mti,
            bitmap,
            tertiary,
            header,
            ebcdic,
            strides: Stride::table(&rules, tertiary.map(|(place, _)| place)),
            rules,
            notes,
        })
    }
}

/// Reads keys, and knows the file to name when one is wrong.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, reason: String) -> DialectError {
        DialectError { file: self.file.into(), key: key.into(), reason }
    }

    fn unknown(&self, key: &str, value: &str, known: &str) -> DialectError {
        self.wrong(key, format!("{value:?} is none of {known}"))
    }

    fn version(&self, value: Option<&str>) -> Result<Version, DialectError> {
        match value {
            Some("1987") => Ok(Version::V1987),
            Some("1993") => Ok(Version::V1993),
            Some("2003") => Ok(Version::V2003),
            Some(other) => Err(self.unknown("version", other, "1987, 1993, 2003")),
            None => Err(self.wrong("version", "missing, and no dialect is extended that has it".into())),
        }
    }

    fn page(&self, value: Option<&str>) -> Result<CodePage, DialectError> {
        match value {
            None | Some("cp500") => Ok(CodePage::Cp500),
            Some("cp037") => Ok(CodePage::Cp037),
            Some("cp1047") => Ok(CodePage::Cp1047),
            Some(other) => Err(self.unknown("ebcdic_page", other, "cp037, cp500, cp1047")),
        }
    }

    fn bitmap(&self, key: &str, value: &str) -> Result<BitmapEncoding, DialectError> {
        match value {
            "bin" => Ok(BitmapEncoding::Raw),
            "hexascii" => Ok(BitmapEncoding::HexAscii),
            "hexebcdic" => Ok(BitmapEncoding::HexEbcdic),
            other => Err(self.unknown(key, other, "bin, hexascii, hexebcdic")),
        }
    }

    fn content(&self, key: &str, value: &str, page: CodePage) -> Result<Content, DialectError> {
        match value {
            "ascii" => Ok(Content::Ascii),
            "ebcdic" => Ok(Content::Ebcdic(page)),
            "bcd" => Ok(Content::Bcd),
            "raw" => Ok(Content::Raw),
            "hexascii" => Ok(Content::HexAscii),
            "hexebcdic" => Ok(Content::HexEbcdic(page)),
            other => Err(self.unknown(key, other, "ascii, ebcdic, bcd, raw, hexascii, hexebcdic")),
        }
    }

    fn prefix(&self, key: &str, value: &str) -> Result<PrefixEncoding, DialectError> {
        match value {
            "ascii" => Ok(PrefixEncoding::Ascii),
            "ebcdic" => Ok(PrefixEncoding::Ebcdic),
            "bcd" => Ok(PrefixEncoding::Bcd),
            "bin" => Ok(PrefixEncoding::Binary),
            other => Err(self.unknown(key, other, "ascii, bcd, ebcdic, bin")),
        }
    }

    fn padding(&self, key: &str, value: &str) -> Result<Padding, DialectError> {
        match value {
            "left0" => Ok(Padding::LeftZero),
            "right0" => Ok(Padding::RightZero),
            "rightF" => Ok(Padding::RightF),
            other => Err(self.unknown(key, other, "left0, right0, rightF")),
        }
    }

    fn format(&self, key: &str, value: &str) -> Result<Format, DialectError> {
        format_of(value).ok_or_else(|| self.unknown(key, value, "n, x+n, a, an, ans, anp, ns, b, z"))
    }
}

fn format_of(letters: &str) -> Option<Format> {
    match letters {
        "n" => Some(Format::Numeric),
        "xn" | "x+n" => Some(Format::SignedNumeric),
        "b" => Some(Format::Binary),
        "z" => Some(Format::Track),
        "a" | "an" | "ans" | "anp" | "ns" | "as" | "s" => Some(Format::Text),
        _ => None,
    }
}

/// The choices that hold for every element without an exception.
struct Defaults {
    mti: Content,
    numeric: Content,
    text: Content,
    track: Content,
    binary: Content,
    prefix: PrefixEncoding,
    unit: LengthUnit,
    pad_fixed: Padding,
    pad_variable: Padding,
    page: CodePage,
}

impl Defaults {
    fn read(reader: &Reader<'_>, file: &DialectFile, page: CodePage) -> Result<Self, DialectError> {
        let content = |key: &str, value: &Option<String>, default: &str| {
            reader.content(key, value.as_deref().unwrap_or(default), page)
        };
        let numeric = content("n", &file.n, "ascii")?;
        let padding = |key: &str, value: &Option<String>, default: Padding| {
            value.as_deref().map_or(Ok(default), |v| reader.padding(key, v))
        };
        let pad_fixed = padding("pad", &file.pad, Padding::LeftZero)?;
        Ok(Self {
            mti: content("mti", &file.mti, "ascii")?,
            numeric,
            text: content("ch", &file.ch, "ascii")?,
            track: file.z.as_deref().map_or(Ok(numeric), |v| reader.content("z", v, page))?,
            binary: content("b", &file.b, "raw")?,
            prefix: reader.prefix("len", file.len.as_deref().unwrap_or("ascii"))?,
            unit: match file.len_unit.as_deref() {
                None | Some("digits") => LengthUnit::Digits,
                Some("bytes") => LengthUnit::Bytes,
                Some(other) => return Err(reader.unknown("len_unit", other, "digits, bytes")),
            },
            pad_fixed,
            pad_variable: padding("pad_var", &file.pad_var, pad_fixed)?,
            page,
        })
    }

    fn content_of(&self, format: Format) -> Content {
        match format {
            Format::Numeric | Format::SignedNumeric => self.numeric,
            Format::Text => self.text,
            Format::Track => self.track,
            Format::Binary => self.binary,
        }
    }

    /// A row of the standard's table, such as `n..19`, in this dialect's encodings.
    fn row(&self, element: u8, row: &str) -> Rule {
        let letters = row.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        let dots = row.matches('.').count() as u8;
        let max = row[letters.len() + usize::from(dots)..].parse().expect("a table row ends in its length");
        let format = format_of(letters).expect("a table row starts with its format");
        let length = if dots == 0 { Length::Fixed } else { Length::Prefix(dots) };
        Rule {
            format,
            content: self.content_of(format),
            length,
            max,
            prefix: self.prefix,
            unit: self.unit,
            padding: if dots == 0 { self.pad_fixed } else { self.pad_variable },
            exposure: de::exposure(element),
        }
    }

    fn exception(
        &self,
        reader: &Reader<'_>,
        element: u8,
        base: Option<Rule>,
        exception: &FieldFile,
    ) -> Result<Rule, DialectError> {
        let key = |name: &str| format!("fields.{element}.{name}");
        let format = exception.format.as_deref().map(|v| reader.format(&key("format"), v)).transpose()?;
        let length = exception.len_type.as_deref().map(|v| {
            length_of(v).ok_or_else(|| {
                reader.unknown(&key("len_type"), v, "fixed, lvar, llvar, lllvar, llllvar, lllllvar, llllllvar")
            })
        });
        let length = length.transpose()?;
        let missing =
            |name: &str| reader.wrong(&key(name), "missing, and the standard's table has no such element".into());
        let base = match base {
            Some(rule) => rule,
            None => Rule {
                exposure: de::exposure(element),
                ..self.row(
                    element,
                    match (format, length, exception.max_len) {
                        (None, _, _) => return Err(missing("format")),
                        (_, None, _) => return Err(missing("len_type")),
                        (_, _, None) => return Err(missing("max_len")),
                        _ => "ans1",
                    },
                )
            },
        };
        let format_now = format.unwrap_or(base.format);
        let length_now = length.unwrap_or(base.length);
        let content = match exception.enc.as_deref() {
            Some(v) => reader.content(&key("enc"), v, self.page)?,
            None if format.is_some() => self.content_of(format_now),
            None => base.content,
        };
        let padding = match exception.pad.as_deref() {
            Some(v) => reader.padding(&key("pad"), v)?,
            None if length_now == Length::Fixed => self.pad_fixed,
            None => self.pad_variable,
        };
        let prefix = exception.len_enc.as_deref().map(|v| reader.prefix(&key("len_enc"), v)).transpose()?;
        let max = exception.max_len.unwrap_or(base.max);
        if max == 0 || max > 999_999 {
            return Err(reader.wrong(&key("max_len"), format!("{max} is not within 1–999999")));
        }
        if matches!(content, Content::Raw | Content::HexAscii | Content::HexEbcdic(_)) != (format_now == Format::Binary)
        {
            return Err(reader.wrong(&key("enc"), format!("{content:?} does not suit format {format_now:?}")));
        }
        Ok(Rule {
            format: format_now,
            content,
            length: length_now,
            max,
            prefix: prefix.unwrap_or(self.prefix),
            unit: self.unit,
            padding,
            exposure: base.exposure,
        })
    }
}

fn length_of(value: &str) -> Option<Length> {
    match value {
        "fixed" => Some(Length::Fixed),
        "lvar" => Some(Length::Prefix(1)),
        "llvar" => Some(Length::Prefix(2)),
        "lllvar" => Some(Length::Prefix(3)),
        "llllvar" => Some(Length::Prefix(4)),
        "lllllvar" => Some(Length::Prefix(5)),
        "llllllvar" => Some(Length::Prefix(6)),
        _ => None,
    }
}
