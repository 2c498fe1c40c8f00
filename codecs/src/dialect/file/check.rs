//! Checks of a dialect for choices that contradict each other.

use super::{DialectError, DialectFile, FieldFile, Reader};
use crate::de::{self, Exposure};
use crate::dialect::{BitmapEncoding, Length, Rule, Tertiary};
use crate::encoding::{Content, Format, LengthUnit};

/// The longest content that a row may allow. A frame is limited further.
const LONGEST: usize = 999_999;

pub(super) fn suits(reader: &Reader<'_>, key: &str, content: Content, format: Format) -> Result<Content, DialectError> {
    if content.suits(format) {
        return Ok(content);
    }
    let why = match (content, format) {
        (Content::Bcd, Format::Text) => "a nibble holds no letter",
        (Content::Bcd, _) => "bytes are no digits",
        (_, Format::Binary) => "bytes are raw, hexascii or hexebcdic",
        _ => "only bytes are raw or hex",
    };
    Err(reader.wrong(key, format!("{} does not suit format {}: {why}", content.word(), format.word())))
}

/// Checks an exception: the parts of the row must fit each other.
pub(super) fn row(
    reader: &Reader<'_>,
    key: &dyn Fn(&str) -> String,
    rule: &Rule,
    exception: &FieldFile,
) -> Result<(), DialectError> {
    if rule.max == 0 || rule.max > LONGEST {
        return Err(reader.wrong(&key("max_len"), format!("{} is not within 1–{LONGEST}", rule.max)));
    }
    suits(reader, &key("enc"), rule.content, rule.format)?;
    if let Length::Prefix(digits) = rule.length {
        let (most, needed) = (rule.prefix.most(digits), rule.counted(rule.max));
        if needed > most {
            let said = format!("the {} prefix of {} counts to {most}", rule.prefix.word(), rule.length.word());
            return Err(reader.wrong(&key("len_type"), format!("{said}, max_len needs {needed}")));
        }
    }
    if exception.inherited {
        return Ok(());
    }
    let packed = rule.content == Content::Bcd;
    if exception.pad.is_some() && !packed {
        let reason = format!("only packed digits have a filler, and this is {}", rule.content.word());
        return Err(reader.wrong(&key("pad"), reason));
    }
    for (name, given) in [("len_enc", exception.len_enc.is_some()), ("len_unit", exception.len_unit.is_some())] {
        if given && rule.length == Length::Fixed {
            return Err(reader.wrong(&key(name), "a fixed length has no prefix".into()));
        }
    }
    let in_hex = matches!(rule.content, Content::HexAscii | Content::HexEbcdic(_));
    if exception.len_unit.is_some() && rule.unit == LengthUnit::Digits && !packed && !in_hex {
        let reason = format!("{} has no digits to count but its characters", rule.content.word());
        return Err(reader.wrong(&key("len_unit"), reason));
    }
    Ok(())
}

/// A file may hide an element, but not show one that the standard's table hides.
pub(super) fn shown(reader: &Reader<'_>, key: &str, element: u8, given: Exposure) -> Result<(), DialectError> {
    let secrecy = |exposure| match exposure {
        Exposure::Clear => 0,
        Exposure::Masked => 1,
        Exposure::Hidden => 2,
    };
    let least = de::exposure(element);
    if secrecy(given) < secrecy(least) {
        let reason = format!("DE{element} is {} in every dialect, and cannot be {}", least.word(), given.word());
        return Err(reader.wrong(key, reason));
    }
    Ok(())
}

/// Checks the place of a third bitmap: the element that announces it, or whose place it takes, cannot be an element as
/// well.
pub(super) fn tertiary(
    reader: &Reader<'_>,
    file: &DialectFile,
) -> Result<Option<(Tertiary, BitmapEncoding)>, DialectError> {
    let place = reader.choice("tertiary", &file.tertiary, Tertiary::of_word, Tertiary::WORDS)?;
    let taken = |element: u8, reason: &str| match file.fields.contains_key(&element) {
        true => Err(reader.wrong(&format!("fields.{element}"), reason.into())),
        false => Ok(()),
    };
    taken(de::BITMAP_TERTIARY, "bit 65 only ever announces a third bitmap: there is no such element")?;
    let Some(place) = place else {
        if file.bitmap3.is_some() {
            return Err(reader.wrong("bitmap3", "there is no third bitmap: the key tertiary is missing".into()));
        }
        return match file.fields.keys().find(|element| **element > 128) {
            Some(element) => {
                let reason = "an element over 128 needs a third bitmap: the key tertiary is missing";
                Err(reader.wrong(&format!("fields.{element}"), reason.into()))
            }
            None => Ok(None),
        };
    };
    match place {
        Tertiary::AfterSecondary => {}
        Tertiary::Chained => {
            taken(Tertiary::FOURTH, "in a chain of bitmaps bit 129 would announce a fourth: it is no element")?;
        }
        Tertiary::InDe127 => in_de127(reader, file)?,
    }
    Ok(Some((place, reader.bitmap("bitmap3", &file.bitmap3)?)))
}

/// A row of DE127 may only describe the eight bytes of bitmap that are there.
fn in_de127(reader: &Reader<'_>, file: &DialectFile) -> Result<(), DialectError> {
    let Some(row) = file.fields.get(&de::NESTED) else { return Ok(()) };
    let is = |key: &Option<String>, word: &str| key.as_deref().is_none_or(|given| given == word);
    let bitmap = is(&row.format, "b") && is(&row.len_type, "fixed") && row.max_len.is_none_or(|max| max == 8);
    if bitmap && row.inner.is_none() && row.nested.is_none() {
        return Ok(());
    }
    let reason = "tertiary = \"de127\" has the third bitmap there: it cannot be an element as well";
    Err(reader.wrong("fields.127", reason.into()))
}
