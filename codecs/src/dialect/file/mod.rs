//! The file form of a dialect: general choices plus exceptions per element, turned into rows.

mod check;
mod inner;
mod keys;
mod rows;

use super::plans::Plans;
use super::write_rule::WriteRule;
use super::{BitmapEncoding, Dialect, ReadRule, Version};
use crate::de;
use crate::ebcdic::CodePage;
use crate::encoding::from_hex;
use crate::tables;
use keys::KeyReader;
pub(crate) use rows::Defaults;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use toml::Table;

/// The keys of a dialect, from TOML or from a JSON object.
pub type Keys = Table;

/// A mistake in a dialect: which file, which key, and why it is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {}{reason}", if key.is_empty() { String::new() } else { format!("{key}: ") })]
pub struct DialectError {
    pub file: String,
    pub key: String,
    pub reason: String,
}

/// The words of the general choices, which apply to all elements without an exception.
#[derive(Clone, Debug, Default)]
struct Choices {
    n: Option<String>,
    ch: Option<String>,
    z: Option<String>,
    b: Option<String>,
    bitmap: Option<String>,
    len: Option<String>,
    len_unit: Option<String>,
    pad: Option<String>,
    pad_var: Option<String>,
}

/// The keys of a dialect file (docs/dialects.md). All are optional, so that one file can extend another.
#[derive(Clone, Debug, Default)]
struct DialectFile {
    extends: Option<String>,
    description: Option<String>,
    version: Option<String>,
    mti: Option<String>,
    choices: Choices,
    tertiary: Option<String>,
    bitmap3: Option<String>,
    ebcdic_page: Option<String>,
    header: Option<String>,
    fields: BTreeMap<u8, FieldFile>,
}

/// The exceptions of one element.
#[derive(Clone, Debug, Default)]
struct FieldFile {
    format: Option<String>,
    enc: Option<String>,
    len_type: Option<String>,
    max_len: Option<usize>,
    pad: Option<String>,
    len_enc: Option<String>,
    len_unit: Option<String>,
    show: Option<String>,
    /// Free text: what the partner keeps in the element.
    note: Option<String>,
    inner: Option<String>,
    positions: Option<Vec<(String, usize)>>,
    tags: BTreeMap<String, TagFile>,
    nested: Option<Box<NestedFile>>,
    sets: BTreeMap<u8, NestedFile>,
    /// `pad`, `len_enc` or `len_unit` came from the extended file, and need not suit what this file makes of the
    /// element.
    inherited: bool,
}

/// Name and exposure of a tag within an element.
#[derive(Clone, Debug, Default)]
struct TagFile {
    name: String,
    show: Option<String>,
}

/// Elements within an element, behind a bitmap of their own.
#[derive(Clone, Debug, Default)]
struct NestedFile {
    choices: Choices,
    bits: Option<usize>,
    fields: BTreeMap<u8, FieldFile>,
}

macro_rules! overlay {
    ($over:expr, $base:expr; $($key:ident)*) => { $( $over.$key = $over.$key.take().or($base.$key); )* };
}

impl Choices {
    fn over(&mut self, base: Self) {
        overlay!(self, base; n ch z b bitmap len len_unit pad pad_var);
    }
}

impl DialectFile {
    /// This file's keys, completed by those of the file it extends.
    fn over(mut self, base: Self) -> Self {
        let this = &mut self;
        overlay!(this, base; version mti tertiary bitmap3 ebcdic_page header);
        this.choices.over(base.choices);
        overlay_fields(&mut this.fields, base.fields);
        self
    }
}

fn overlay_fields(over: &mut BTreeMap<u8, FieldFile>, base: BTreeMap<u8, FieldFile>) {
    for (number, below) in base {
        over.entry(number).or_default().over(below);
    }
}

impl FieldFile {
    /// Whether the file describes parts of the element's content.
    fn says_of_parts(&self) -> bool {
        let parts = self.inner.is_some() || self.positions.is_some() || self.nested.is_some();
        parts || !self.tags.is_empty() || !self.sets.is_empty()
    }

    fn over(&mut self, base: Self) {
        let own = self.pad.is_some() || self.len_enc.is_some() || self.len_unit.is_some();
        self.inherited = !own;
        if self.inner.is_some() || self.format.is_some() {
            // content of another form has other parts: the base's parts are dropped
            overlay!(self, base; format enc len_type max_len pad len_enc len_unit show note);
            return;
        }
        overlay!(self, base; format enc len_type max_len pad len_enc len_unit show note inner positions);
        for (tag, below) in base.tags {
            self.tags.entry(tag).or_insert(below);
        }
        match (&mut self.nested, base.nested) {
            (Some(over), Some(below)) => over.over(*below),
            (over @ None, below) => *over = below,
            (Some(_), None) => {}
        }
        for (set, below) in base.sets {
            self.sets.entry(set).or_default().over(below);
        }
    }
}

impl NestedFile {
    fn over(&mut self, base: Self) {
        overlay!(self, base; bits);
        self.choices.over(base.choices);
        overlay_fields(&mut self.fields, base.fields);
    }
}

const CHOICES: [&str; 9] = ["n", "ch", "z", "b", "bitmap", "len", "len_unit", "pad", "pad_var"];
const TOP: [&str; 9] =
    ["extends", "description", "version", "mti", "tertiary", "bitmap3", "ebcdic_page", "header", "fields"];
const FIELD: [&str; 14] = [
    "format",
    "enc",
    "len_type",
    "max_len",
    "pad",
    "len_enc",
    "len_unit",
    "show",
    "note",
    "inner",
    "positions",
    "tags",
    "nested",
    "sets",
];

fn read_choices(keys: &KeyReader<'_>) -> Result<Choices, DialectError> {
    Ok(Choices {
        n: keys.text("n")?,
        ch: keys.text("ch")?,
        z: keys.text("z")?,
        b: keys.text("b")?,
        bitmap: keys.text("bitmap")?,
        len: keys.text("len")?,
        len_unit: keys.text("len_unit")?,
        pad: keys.text("pad")?,
        pad_var: keys.text("pad_var")?,
    })
}

fn read_file(file: &str, table: &Table) -> Result<DialectFile, DialectError> {
    let keys = KeyReader::new(file, "", table);
    keys.only(&[&TOP[..], &CHOICES].concat())?;
    Ok(DialectFile {
        extends: keys.text("extends")?,
        description: keys.text("description")?,
        version: keys.text("version")?,
        mti: keys.text("mti")?,
        choices: read_choices(&keys)?,
        tertiary: keys.text("tertiary")?,
        bitmap3: keys.text("bitmap3")?,
        ebcdic_page: keys.text("ebcdic_page")?,
        header: keys.text("header")?,
        fields: read_fields(file, "", &keys, 2..=192)?,
    })
}

fn read_fields(
    file: &str,
    path: &str,
    keys: &KeyReader<'_>,
    numbers: RangeInclusive<u8>,
) -> Result<BTreeMap<u8, FieldFile>, DialectError> {
    let mut fields = BTreeMap::new();
    for (number, table) in keys.tables("fields")? {
        let element = number.parse::<u8>().ok().filter(|n| numbers.contains(n));
        let none = || format!("no element {}–{}", numbers.start(), numbers.end());
        let element = element.ok_or_else(|| keys.wrong(&format!("fields.{number}"), none()))?;
        fields.insert(element, read_field(file, &format!("{path}fields.{element}."), table)?);
    }
    Ok(fields)
}

fn read_field(file: &str, path: &str, table: &Table) -> Result<FieldFile, DialectError> {
    let keys = KeyReader::new(file, path, table);
    keys.only(&FIELD)?;
    let nested = keys.table("nested")?.map(|table| read_nested(file, &format!("{path}nested."), table)).transpose()?;
    let mut sets = BTreeMap::new();
    for (id, table) in keys.tables("sets")? {
        let number = u8::from_str_radix(id, 16).ok().filter(|_| id.len() == 2);
        let number = number.ok_or_else(|| keys.wrong(&format!("sets.{id}"), "no dataset 00–FF"))?;
        sets.insert(number, read_nested(file, &format!("{path}sets.{id}."), table)?);
    }
    Ok(FieldFile {
        format: keys.text("format")?,
        enc: keys.text("enc")?,
        len_type: keys.text("len_type")?,
        max_len: keys.number("max_len")?,
        pad: keys.text("pad")?,
        len_enc: keys.text("len_enc")?,
        len_unit: keys.text("len_unit")?,
        show: keys.text("show")?,
        note: keys.text("note")?,
        inner: keys.text("inner")?,
        positions: keys.pairs("positions")?,
        tags: read_tags(file, path, &keys)?,
        nested: nested.map(Box::new),
        sets,
        inherited: false,
    })
}

/// A tag's entry is its name alone, or a table of name and `show`.
fn read_tags(file: &str, path: &str, keys: &KeyReader<'_>) -> Result<BTreeMap<String, TagFile>, DialectError> {
    let mut tags = BTreeMap::new();
    for (tag, value) in keys.table("tags")?.into_iter().flatten() {
        let read = match value {
            toml::Value::String(name) => TagFile { name: name.clone(), show: None },
            toml::Value::Table(table) => {
                let path = format!("{path}tags.{tag}.");
                let keys = KeyReader::new(file, &path, table);
                keys.only(&["name", "show"])?;
                TagFile { name: keys.text("name")?.unwrap_or_default(), show: keys.text("show")? }
            }
            _ => return Err(keys.wrong(&format!("tags.{tag}"), "neither a name nor a table of name and show")),
        };
        tags.insert(tag.clone(), read);
    }
    Ok(tags)
}

fn read_nested(file: &str, path: &str, table: &Table) -> Result<NestedFile, DialectError> {
    let keys = KeyReader::new(file, path, table);
    keys.only(&[&CHOICES[..], &["bits", "fields"]].concat())?;
    Ok(NestedFile {
        choices: read_choices(&keys)?,
        bits: keys.number("bits")?,
        fields: read_fields(file, path, &keys, 1..=64)?,
    })
}

fn parse(name: &str, text: &str) -> Result<DialectFile, DialectError> {
    let table = text.parse::<Table>().map_err(|e| {
        let line = e.span().map_or(String::new(), |span| {
            let before = text.get(..span.start).unwrap_or("");
            format!("line {}: ", before.matches('\n').count() + 1)
        });
        DialectError { file: name.into(), key: String::new(), reason: format!("{line}{}", e.message()) }
    })?;
    read_file(name, &table)
}

impl Dialect {
    /// Reads a dialect from TOML text; `source` returns the text of a dialect that it extends, by name.
    ///
    /// # Errors
    /// The file, the key and what is wrong with it.
    pub fn from_toml(
        name: &str,
        text: &str,
        source: &dyn Fn(&str) -> Result<String, DialectError>,
    ) -> Result<Self, DialectError> {
        Self::resolve(name, parse(name, text)?, source)
    }

    /// Reads a dialect from keys in any form (a JSON object, for instance); `source` as in [`Dialect::from_toml`].
    ///
    /// # Errors
    /// As [`Dialect::from_toml`].
    pub fn from_keys(
        name: &str,
        keys: &Keys,
        source: &dyn Fn(&str) -> Result<String, DialectError>,
    ) -> Result<Self, DialectError> {
        Self::resolve(name, read_file(name, keys)?, source)
    }

    fn resolve(
        name: &str,
        mut file: DialectFile,
        source: &dyn Fn(&str) -> Result<String, DialectError>,
    ) -> Result<Self, DialectError> {
        let extends = file.extends.clone();
        let mut seen = vec![name.to_owned()];
        while let Some(base) = file.extends.take() {
            if seen.contains(&base) {
                let reason = format!("{base} extends itself");
                return Err(DialectError { file: name.into(), key: "extends".into(), reason });
            }
            let mut below = parse(&base, &source(&base)?)?;
            let next = below.extends.take();
            seen.push(base);
            file = file.over(below);
            file.extends = next;
        }
        Self::from_file(name, extends, &file)
    }

    /// The bare standard: the table of a version in ASCII, with a raw bitmap and raw binary elements. A dialect that
    /// extends no other is shown as its differences from this.
    pub fn plain(version: Version) -> Self {
        let file = DialectFile { version: Some(version.word().into()), ..DialectFile::default() };
        Self::from_file(version.word(), None, &file).expect("the tables of the standard read")
    }

    /// Turns a file's keys into rows. `extends` must have been resolved.
    fn from_file(name: &str, extends: Option<String>, file: &DialectFile) -> Result<Self, DialectError> {
        let reader = Reader { file: name };
        let ebcdic = reader.choice("ebcdic_page", &file.ebcdic_page, CodePage::of_word, CodePage::WORDS)?;
        let ebcdic = ebcdic.unwrap_or(CodePage::Cp500);
        let version = reader.choice("version", &file.version, Version::of_word, Version::WORDS)?;
        let version =
            version.ok_or_else(|| reader.wrong("version", "missing, and no dialect is extended that has it".into()))?;
        let defaults = Defaults::read(&reader, "", &file.choices, ebcdic, None)?;
        let mut rules = Box::new([None; 193]);
        for (row, element) in tables::of(version).iter().skip(1).zip(2u8..) {
            rules[usize::from(element)] = Some(defaults.row(element, *row));
        }
        let tertiary = check::tertiary(&reader, file)?;
        // bit 65 is reserved: unless the dialect declares a third bitmap, it is an error and not a guess
        rules[usize::from(de::BITMAP_TERTIARY)] = None;
        let mut notes = BTreeMap::new();
        for (element, exception) in &file.fields {
            let row = &mut rules[usize::from(*element)];
            *row = Some(defaults.exception(&reader, "", *element, *row, exception)?);
            notes.extend(exception.note.clone().map(|note| (*element, note)));
        }
        let inners = inner::of_elements(&reader, file, version, &rules, &defaults)?;
        let (header, header_mask) = reader.header(&file.header)?;
        Ok(Self {
            name: name.into(),
            extends,
            description: file.description.clone().unwrap_or_default(),
            version,
            mti: defaults.mti(&reader, file, ebcdic)?,
            bitmap: reader.bitmap("bitmap", &file.choices.bitmap)?,
            tertiary,
            header,
            header_mask,
            ebcdic,
            read_rules: ReadRule::table(&rules, tertiary.map(|(place, _)| place)),
            write_rules: WriteRule::table(&rules, tertiary.map(|(place, _)| place)),
            plans: Plans::new(),
            rules,
            notes,
            inners,
            defaults,
        })
    }
}

/// Reads words; its errors name the file.
struct Reader<'a> {
    file: &'a str,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, reason: String) -> DialectError {
        DialectError { file: self.file.into(), key: key.into(), reason }
    }

    fn choice<T>(
        &self,
        key: &str,
        word: &Option<String>,
        of_word: impl Fn(&str) -> Option<T>,
        words: &[&str],
    ) -> Result<Option<T>, DialectError> {
        let read = |word: &String| {
            of_word(word).ok_or_else(|| self.wrong(key, format!("{word:?} is none of {}", words.join(", "))))
        };
        word.as_ref().map(read).transpose()
    }

    fn bitmap(&self, key: &str, word: &Option<String>) -> Result<BitmapEncoding, DialectError> {
        let read = self.choice(key, word, BitmapEncoding::of_word, BitmapEncoding::WORDS)?;
        Ok(read.unwrap_or(BitmapEncoding::Raw))
    }

    /// The bytes of a header, and a mask of the bits that are constant.
    fn header(&self, word: &Option<String>) -> Result<(Vec<u8>, Vec<u8>), DialectError> {
        let Some(word) = word else { return Ok((Vec::new(), Vec::new())) };
        if let Some((_, bytes, mask)) = HEADERS.iter().find(|(name, ..)| name == word) {
            return Ok((bytes.to_vec(), mask.to_vec()));
        }
        let bytes = from_hex(word).ok_or_else(|| {
            let names: Vec<&str> = HEADERS.iter().map(|(name, ..)| *name).collect();
            self.wrong("header", format!("{word:?} is neither hex nor one of {}", names.join(", ")))
        })?;
        let mask = vec![0xFF; bytes.len()];
        Ok((bytes, mask))
    }
}

/// Named headers, of which the sender fills in a part: name, default bytes when there is nothing to answer, and a mask
/// of the constant bits.
const HEADERS: [(&str, &[u8], &[u8]); 3] = [
    // "ISO", product (02 is POS), release, status, originator, responder: all digits
    ("base24", b"ISO020000000", b"\xFF\xFF\xFF\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0\xF0"),
    // data, destination, source
    ("tpdu", &[0x60, 0, 0, 0, 0], &[0xFF, 0, 0, 0, 0]),
    // its own length, flags and format, total length, stations and what the network keeps
    ("visa", &[22, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], &{
        let mut mask = [0; 22];
        mask[0] = 0xFF;
        mask
    }),
];
