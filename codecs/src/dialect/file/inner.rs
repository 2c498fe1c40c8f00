//! Reads the inner forms of elements: their names, and the further keys of each.

use super::{DialectError, DialectFile, FieldFile, NestedFile, Reader, rows::Defaults};
use crate::composite::{self, Extent, Form, Inner, Nested, Position, Row, TagNote, Tagging};
use crate::de::{self, Exposure};
use crate::dialect::{BitmapEncoding, Rule, Tertiary, Version};
use crate::encoding::{Format, from_hex};
use crate::tables;
use std::collections::BTreeMap;

const FORMS: &str = "none, ber-tlv, datasets, pds, tagN-lenN, lenN-tagN, bin-tagN-lenN, tokens, amounts, original-data, \
    original-data-base24, replacement-amounts, original-amounts, positions, bitmap, bitmap-or-xml";

/// Context shared by all elements of a file.
struct Scope<'a> {
    reader: &'a Reader<'a>,
    version: Version,
}

pub(super) fn of_elements(
    reader: &Reader<'_>,
    file: &DialectFile,
    version: Version,
    rules: &[Option<Rule>; 193],
    defaults: &Defaults,
) -> Result<BTreeMap<u8, Inner>, DialectError> {
    let scope = Scope { reader, version };
    let mut inners = BTreeMap::new();
    let third_bitmap = (file.tertiary.as_deref() == Some(Tertiary::InDe127.word())).then_some(de::NESTED);
    for (rule, element) in rules.iter().skip(2).zip(2u8..) {
        let Some(rule) = rule.filter(|_| third_bitmap != Some(element)) else { continue };
        let row = file.fields.get(&element);
        let standard = tables::inner(version, element).map(String::from);
        let given = row.is_some_and(FieldFile::says_of_parts);
        let row =
            FieldFile { inner: row.and_then(|row| row.inner.clone()).or(standard), ..row.cloned().unwrap_or_default() };
        let path = format!("fields.{element}.");
        match scope.inner(&path, &row, &rule, defaults) {
            // a partner that keeps something else in an element is not bound by the standard's form
            Err(_) if !given => {}
            read => inners.extend(read?.map(|inner| (element, inner))),
        }
    }
    Ok(inners)
}

impl Scope<'_> {
    /// The inner form of an element with that row; `path` is the path of its keys in the file, with a dot at the end.
    fn inner(
        &self,
        path: &str,
        row: &FieldFile,
        rule: &Rule,
        defaults: &Defaults,
    ) -> Result<Option<Inner>, DialectError> {
        let wrong = |key: &str, reason: String| self.reader.wrong(&format!("{path}{key}"), reason);
        let word = row.inner.as_deref().unwrap_or("none");
        let needs = |key: &str, there: bool, forms: &[&str]| match there && !forms.contains(&word) {
            true => Err(wrong(key, format!("only inner = {} has it, and this is {word:?}", forms.join(" or ")))),
            false => Ok(()),
        };
        needs("nested", row.nested.is_some(), &["bitmap", "bitmap-or-xml"])?;
        needs("positions", row.positions.is_some(), &["positions"])?;
        needs("sets", !row.sets.is_empty(), &["datasets"])?;
        if word == "none" {
            return match row.tags.keys().next() {
                Some(tag) => Err(wrong(&format!("tags.{tag}"), "the key inner is missing".into())),
                None => Ok(None),
            };
        }
        let form = self.form(path, word, row, rule, defaults)?;
        if !suits(&form, rule.format) {
            return Err(wrong("inner", format!("{word:?} does not suit format {}", rule.format.word())));
        }
        let tags = self.tags(path, row, &form, rule.exposure)?;
        Ok(Some(Inner { form, tags }))
    }

    fn form(
        &self,
        path: &str,
        word: &str,
        row: &FieldFile,
        rule: &Rule,
        defaults: &Defaults,
    ) -> Result<Form, DialectError> {
        let wrong = |key: &str, reason: String| self.reader.wrong(&format!("{path}{key}"), reason);
        let nested = |or_xml| {
            let file = row.nested.as_ref().ok_or_else(|| wrong("nested", format!("missing, and {word:?} needs it")))?;
            self.nested(&format!("{path}nested."), file, rule, defaults, or_xml, 64).map(Form::Bitmap)
        };
        Ok(match word {
            "ber-tlv" => Form::BerTlv,
            "datasets" => {
                let set = |(id, file): (&u8, &NestedFile)| {
                    let path = format!("{path}sets.{id:02X}.");
                    let nested = self.nested(&path, file, rule, defaults, false, 16)?;
                    Ok::<_, DialectError>((*id, Inner::new(Form::Bitmap(nested))))
                };
                Form::Datasets(row.sets.iter().map(set).collect::<Result<_, _>>()?)
            }
            "pds" => Form::Tagged(Tagging::PDS),
            "tokens" => Form::Tokens,
            "amounts" if self.version == Version::V2003 => Form::Amounts(composite::SET_2003),
            "amounts" => Form::Amounts(composite::SET),
            "original-data" => Form::Positions(composite::original_data(self.version)),
            "original-data-base24" => Form::Positions(composite::original_data_base24()),
            "replacement-amounts" => Form::Positions(composite::replacement_amounts()),
            "original-amounts" => Form::Positions(composite::original_amounts(self.version)),
            "positions" => {
                let pairs = row.positions.as_ref();
                let pairs = pairs.ok_or_else(|| wrong("positions", "missing, and inner names them".into()))?;
                let position = |(name, length): &(String, usize)| Position {
                    name: name.clone().into(),
                    extent: Extent::Fixed(*length),
                };
                Form::Positions(pairs.iter().map(position).collect())
            }
            "bitmap" => nested(false)?,
            "bitmap-or-xml" => nested(true)?,
            other => match Tagging::of_word(other) {
                Some(tagging) => Form::Tagged(tagging),
                None => return Err(wrong("inner", format!("{other:?} is none of {FORMS}"))),
            },
        })
    }

    fn nested(
        &self,
        path: &str,
        file: &NestedFile,
        outer: &Rule,
        defaults: &Defaults,
        or_xml: bool,
        bits: usize,
    ) -> Result<Nested, DialectError> {
        let key = |name: &str| format!("{path}{name}");
        let reader = self.reader;
        let defaults = Defaults::read(reader, path, &file.choices, defaults.page, Some(defaults))?;
        let bits = file.bits.unwrap_or(bits);
        if !bits.is_multiple_of(8) || !(8..=64).contains(&bits) {
            return Err(reader.wrong(&key("bits"), format!("{bits} is no multiple of 8 up to 64")));
        }
        let mut rows = BTreeMap::new();
        for (number, exception) in &file.fields {
            if usize::from(*number) > bits {
                let reason = format!("a bitmap of {bits} bits announces no element {number}");
                return Err(reader.wrong(&format!("{path}fields.{number}"), reason));
            }
            let mut rule = defaults.exception(reader, path, *number, None, exception)?;
            if exception.show.is_none() {
                rule.exposure = outer.exposure;
            }
            let inner = self.inner(&format!("{path}fields.{number}."), exception, &rule, &defaults)?;
            rows.insert(*number, Row { rule, name: exception.note.clone().unwrap_or_default(), inner });
        }
        let bitmap = reader.bitmap(&key("bitmap"), &file.choices.bitmap)?;
        Ok(Nested { bitmap, page: defaults.page, bits: bits as u8, or_xml, rows })
    }

    fn tags(
        &self,
        path: &str,
        row: &FieldFile,
        form: &Form,
        outer: Exposure,
    ) -> Result<BTreeMap<String, TagNote>, DialectError> {
        let mut tags = BTreeMap::new();
        for (tag, file) in &row.tags {
            if !is_tag_of(form, tag) {
                return Err(self.reader.wrong(&format!("{path}tags.{tag}"), "no tag of this inner form".into()));
            }
            let key = format!("{path}tags.{tag}.show");
            let shown = self.reader.choice(&key, &file.show, Exposure::of_word, Exposure::WORDS)?;
            tags.insert(label(form, tag), TagNote { name: file.name.clone(), exposure: shown.unwrap_or(outer) });
        }
        Ok(tags)
    }
}

/// Whether content of that format can have parts of that form.
fn suits(form: &Form, format: Format) -> bool {
    match (form, format) {
        (Form::BerTlv | Form::Datasets(_), format) => format == Format::Binary,
        (Form::Tagged(tagging), Format::Text) => !tagging.binary,
        (Form::Bitmap(nested), Format::Text) => nested.bitmap != BitmapEncoding::Raw,
        (Form::Tokens | Form::Amounts(_) | Form::Positions(_), Format::Text) => true,
        (Form::Amounts(_) | Form::Positions(_), format) => format == Format::Numeric,
        (Form::Tagged(_) | Form::Bitmap(_) | Form::Tokens, format) => format == Format::Binary,
    }
}

/// The label of a step to the tag: a binary one without leading zeros.
fn label(form: &Form, tag: &str) -> String {
    let number = u32::from_str_radix(tag, 16).ok();
    match (form, number) {
        (Form::Tagged(tagging), Some(number)) if tagging.binary => format!("{number:02X}"),
        _ => tag.into(),
    }
}

fn is_tag_of(form: &Form, tag: &str) -> bool {
    let bytes = || from_hex(tag).filter(|_| !tag.contains(|c: char| c.is_ascii_lowercase())).map(|bytes| bytes.len());
    match form {
        Form::BerTlv => bytes().is_some_and(|bytes| (1..=4).contains(&bytes)),
        Form::Tagged(tagging) if tagging.binary => bytes() == Some(tagging.tag),
        Form::Tagged(tagging) => tag.len() == tagging.tag,
        Form::Tokens => tag.len() == 2,
        Form::Datasets(_) => bytes() == Some(1),
        Form::Amounts(_) | Form::Positions(_) | Form::Bitmap(_) => false,
    }
}

impl Inner {
    /// The word for the form in a dialect file.
    pub fn word(&self, version: Version) -> String {
        let positions = |positions: &Vec<Position>| {
            let named: [(&str, Vec<Position>); 4] = [
                ("original-data", composite::original_data(version)),
                ("original-data-base24", composite::original_data_base24()),
                ("replacement-amounts", composite::replacement_amounts()),
                ("original-amounts", composite::original_amounts(version)),
            ];
            named.into_iter().find(|(_, known)| known == positions).map_or("positions", |(word, _)| word)
        };
        match &self.form {
            Form::BerTlv => "ber-tlv".into(),
            Form::Datasets(_) => "datasets".into(),
            Form::Tagged(Tagging::PDS) => "pds".into(),
            Form::Tagged(tagging) => tagging.word(),
            Form::Tokens => "tokens".into(),
            Form::Amounts(_) => "amounts".into(),
            Form::Positions(list) => positions(list).into(),
            Form::Bitmap(nested) if nested.or_xml => "bitmap-or-xml".into(),
            Form::Bitmap(_) => "bitmap".into(),
        }
    }
}
