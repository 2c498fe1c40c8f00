//! Composite elements as text: the parts that the dialect declares, at any depth.

use super::meaning::money;
use super::{clearing, emv, words};
use crate::composite::{self, CutError, Form, Inner, PathStep, Tagging};
use crate::de::{self, DataElement, Exposure};
use crate::dialect::BitmapEncoding;
use crate::encoding::to_hex;
use crate::field::Field;
use crate::message::Message;
use crate::subfields::{self, additional};
use crate::value::mask_digits;
use crate::{DecodeError, Mti};

/// A sub-element: its label within its element, and its value as far as it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Offset of its value in the message, if it can be given.
    pub offset: Option<usize>,
    pub label: String,
    pub name: String,
    pub value: String,
    pub meaning: String,
    /// 0 for a part of the element, 1 for a part of such a part, and so on.
    pub depth: usize,
}

/// The sub-elements of an element; empty if it is not composite. If the content cannot be cut, the last one is the
/// error.
pub fn parts(message: &Message, element: u8) -> Vec<Part> {
    let (Some(field), Some(inner)) = (message.field(element), message.dialect().inner(element)) else {
        return Vec::new();
    };
    let mut walk = Walk { message, element, parts: Vec::new() };
    let base = message.offset(element).unwrap_or(0);
    walk.all(&field, inner, base, 0);
    walk.parts
}

struct Walk<'m> {
    message: &'m Message,
    element: u8,
    parts: Vec<Part>,
}

impl Walk<'_> {
    /// The parts of a value that starts at offset `base` of the message.
    fn all(&mut self, value: &Field<'_>, inner: &Inner, base: usize, depth: usize) {
        let content = value.content();
        for part in inner.parts(&content) {
            match part {
                Ok(part) => {
                    let offset = base + value.rule().place_of(part.at);
                    let row = self.part(inner, &part, offset, depth);
                    self.parts.push(row);
                    if let Some(below) = part.inner {
                        self.all(&part.value, below, offset, depth + 1);
                    }
                }
                Err(fault) => self.parts.push(broken(fault, base + value.rule().place_of(fault.offset), depth)),
            }
        }
    }

    fn part(&self, inner: &Inner, part: &composite::Part<'_>, offset: usize, depth: usize) -> Part {
        let field = &part.value;
        let known = self.known(inner, part);
        let exposure = part.exposure.unwrap_or(known.exposure);
        let value = match (&inner.form, exposure) {
            // a composite part is shown through its own parts
            _ if part.inner.is_some() => format!("[{} bytes]", field.len()),
            (Form::Bitmap(nested), _) if part.step == PathStep::Number(0) => match nested.bitmap {
                BitmapEncoding::Raw => to_hex(field.raw()),
                _ => field.chars().map(char::from).collect(),
            },
            (_, Exposure::Hidden) => format!("[{} hidden]", field.len()),
            (Form::BerTlv, Exposure::Masked) => mask_digits(to_hex(field.raw()).trim_end_matches('F').bytes()),
            (_, Exposure::Masked) => mask_digits(field.chars()),
            (_, Exposure::Clear) => de::shown_clear(field),
        };
        let name = if part.name.is_empty() { known.name } else { part.name };
        let hidden = exposure == Exposure::Hidden;
        Part {
            offset: Some(offset),
            label: self.label(inner, part.step),
            name: name.into(),
            value,
            meaning: if hidden { String::new() } else { known.meaning },
            depth,
        }
    }

    /// Parts at positions have a name and no tag; sets of amounts are distinguished by their type.
    fn label(&self, inner: &Inner, step: PathStep) -> String {
        match (&inner.form, step) {
            (Form::Positions(_) | Form::Amounts(_), _) => String::new(),
            (_, PathStep::Number(number)) => format!(".{number}"),
            _ => step.label(),
        }
    }

    /// Name, exposure and meaning of a part.
    fn known(&self, inner: &Inner, part: &composite::Part<'_>) -> Known {
        match (&inner.form, part.step) {
            (Form::BerTlv, PathStep::Tag(tag)) => Known {
                name: emv::tag_name(tag).unwrap_or(""),
                exposure: emv::exposure(tag),
                meaning: emv::meaning(tag, part.value.raw()),
            },
            (Form::Tagged(Tagging::PDS), step) => match clearing::name(&step.label()) {
                Some(name) => Known { name, exposure: Exposure::Clear, meaning: String::new() },
                None => Known::of(self.exposure()),
            },
            (Form::Tagged(_), step) if self.element == de::AdditionalData::NUMBER => additional_data(step, part),
            (Form::Tokens, step) if step.label() == "&" => {
                Known { name: "count and length", exposure: Exposure::Clear, meaning: String::new() }
            }
            (Form::Amounts(_), _) => self.amounts(part),
            (Form::Positions(_), _) => Known { meaning: self.position(part), ..Known::of(self.exposure()) },
            (Form::Datasets(_), _) => Known { name: "dataset", exposure: Exposure::Clear, meaning: String::new() },
            (Form::Bitmap(_), PathStep::Number(0)) => {
                Known { name: "bitmap", exposure: Exposure::Clear, meaning: String::new() }
            }
            _ => Known::of(self.exposure()),
        }
    }

    /// A part is never shown more openly than its element.
    fn exposure(&self) -> Exposure {
        self.message.dialect().rule(self.element).map_or(Exposure::Hidden, |rule| rule.exposure)
    }

    fn amounts(&self, part: &composite::Part<'_>) -> Known {
        let content = part.value.content();
        let clear = |name, meaning| Known { name, exposure: Exposure::Clear, meaning };
        let set = subfields::additional_amounts(&content).ok().and_then(|sets| sets.first().copied());
        let Some(set) = set else { return clear("additional amount", String::new()) };
        let amount = money(self.message, set.amount, Some(set.currency)).unwrap_or_default();
        clear(words::amount_type(set.amount_type), format!("{amount}, {}", words::account_type(set.account_type)))
    }

    /// Amounts with their currency, message types in words.
    fn position(&self, part: &composite::Part<'_>) -> String {
        let content = part.value.content();
        if part.name == "message type" {
            let digits = <[u8; 4]>::try_from(&*content).ok();
            return digits.and_then(Mti::from_digits).map_or(String::new(), words::mti);
        }
        let minor = std::str::from_utf8(&content).ok().and_then(|text| text.parse::<i64>().ok());
        match (part.name.ends_with("amount, transaction"), minor) {
            (true, Some(minor)) => {
                let currency = self.message.get::<de::Currency>().ok().flatten();
                money(self.message, crate::value::Minor(minor), currency).unwrap_or_default()
            }
            _ => String::new(),
        }
    }
}

/// What is known of a part without the dialect.
struct Known {
    name: &'static str,
    exposure: Exposure,
    meaning: String,
}

impl Known {
    fn of(exposure: Exposure) -> Self {
        Self { name: "", exposure, meaning: String::new() }
    }
}

/// DE48 of 1987 as in this project's dialects. An unknown sub-element may be a security code and is hidden.
fn additional_data(step: PathStep, part: &composite::Part<'_>) -> Known {
    match step.label().parse() {
        Ok(additional::SECURITY_CODE) => Known { name: "card security code", ..Known::of(Exposure::Hidden) },
        Ok(additional::CAPABILITIES) => {
            let partial =
                if part.value.raw().first() == Some(&b'1') { "partial approval" } else { "no partial approval" };
            Known { name: "point of service capabilities", exposure: Exposure::Clear, meaning: partial.into() }
        }
        _ => Known::of(Exposure::Hidden),
    }
}

fn broken(fault: CutError, offset: usize, depth: usize) -> Part {
    let sizes = match (fault.expected, fault.found) {
        (Some(expected), Some(found)) => format!(" (expected {expected}, found {found})"),
        _ => String::new(),
    };
    Part {
        offset: Some(offset),
        label: fault.path.steps().next().map_or("?".into(), PathStep::label),
        name: String::new(),
        value: String::new(),
        meaning: format!("{}{sizes}: the rest cannot be cut into parts", fault.kind.name()),
        depth,
    }
}

impl Message {
    /// Checks that the composite elements can be cut into the parts that the dialect declares. Decoding does not check
    /// this: a link that must refuse such messages, or a test, calls it.
    ///
    /// # Errors
    /// The first fault, with the path to it (`DE55/9F26`, `DE127.25`).
    pub fn check_parts(&self) -> Result<(), DecodeError> {
        for element in self.elements() {
            let (Some(field), Some(inner)) = (self.field(element), self.dialect().inner(element)) else { continue };
            inner.check(&field.content()).map_err(|fault| {
                let start = self.offset(element).unwrap_or(0);
                let mut error = DecodeError::new(fault.kind, element, start + field.rule().place_of(fault.offset));
                (error.within, error.expected, error.found) = (fault.path, fault.expected, fault.found);
                error
            })?;
        }
        Ok(())
    }
}
