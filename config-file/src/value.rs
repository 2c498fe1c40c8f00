//! A serde deserializer over a parsed TOML tree whose errors have the key's path and never the value.
//!
//! toml's own deserializer gives the key only in part, and its messages, being serde's, repeat the value that does not
//! fit. This one walks the same tree; its error has the path, and what was expected.

use std::fmt::{self, Display};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, Error, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use crate::error::one_line;
use crate::key_path::KeyStep;

/// Why a value does not fit its type.
#[derive(Debug)]
pub(crate) struct TypeError {
    /// From the innermost outwards: each table and list adds its own step.
    steps: Vec<KeyStep>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// A reason in this crate's own words, without any value.
    Known(String),
    /// A message of serde or of a type. [`TypeError::without`] drops it if it repeats the value.
    Foreign(String),
    UnknownKey(String),
}

impl TypeError {
    fn new(kind: Kind) -> Self {
        Self { steps: Vec::new(), kind }
    }

    fn known(reason: String) -> Self {
        Self::new(Kind::Known(reason))
    }

    fn at(mut self, step: KeyStep) -> Self {
        self.steps.push(step);
        self
    }

    /// Drops the message of a type if it repeats the value.
    fn without(self, value: &DeValue<'_>) -> Self {
        let Self { steps, kind } = self;
        let kind = match kind {
            Kind::Foreign(message) if quotes(&message, value) => {
                Kind::Known("is not of the form that is wanted".to_owned())
            }
            Kind::Foreign(message) => Kind::Known(one_line(&message)),
            other => other,
        };
        Self { steps, kind }
    }

    pub(crate) fn steps_from_the_top(&self) -> Vec<KeyStep> {
        self.steps.iter().rev().cloned().collect()
    }

    pub(crate) fn is_unknown_key(&self) -> bool {
        matches!(self.kind, Kind::UnknownKey(_))
    }

    pub(crate) fn reason(&self) -> String {
        match &self.kind {
            Kind::Known(reason) | Kind::UnknownKey(reason) => reason.clone(),
            // there was no value to compare the message with
            Kind::Foreign(_) => "is not of the form that is wanted".to_owned(),
        }
    }
}

fn quotes(message: &str, value: &DeValue<'_>) -> bool {
    match value {
        DeValue::String(text) => !text.is_empty() && message.contains(text.as_ref()),
        DeValue::Integer(number) => message.contains(number.as_str()),
        DeValue::Float(number) => message.contains(number.as_str()),
        DeValue::Boolean(_) => false,
        DeValue::Datetime(moment) => message.contains(&moment.to_string()),
        DeValue::Array(list) => list.iter().any(|entry| quotes(message, entry.get_ref())),
        DeValue::Table(table) => table.values().any(|entry| quotes(message, entry.get_ref())),
    }
}

impl Display for TypeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason())
    }
}

impl std::error::Error for TypeError {}

impl Error for TypeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Kind::Foreign(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::known(format!("must be {}, and is {}", in_words(wanted), kind_of(&found)))
    }

    fn invalid_value(_: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::known(format!("must be {}", in_words(wanted)))
    }

    fn invalid_length(length: usize, wanted: &dyn Expected) -> Self {
        Self::known(format!("must be {}, and has {length} entries", in_words(wanted)))
    }

    fn unknown_variant(_: &str, there_are: &'static [&'static str]) -> Self {
        Self::known(format!("must be one of {}", there_are.join(", ")))
    }

    fn unknown_field(_: &str, there_are: &'static [&'static str]) -> Self {
        Self::new(Kind::UnknownKey(format!("is not a key; here may stand {}", there_are.join(", "))))
    }

    fn missing_field(key: &'static str) -> Self {
        Self::known("is missing".to_owned()).at(KeyStep::Key(key.to_owned()))
    }

    fn duplicate_field(key: &'static str) -> Self {
        Self::known("stands twice".to_owned()).at(KeyStep::Key(key.to_owned()))
    }
}

/// serde describes the expected type in Rust's words; the reader of the file knows TOML's.
fn in_words(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let whole = |least: &dyn Display, most: &dyn Display| format!("a whole number from {least} to {most}");
    match wanted.as_str() {
        "u8" => whole(&u8::MIN, &u8::MAX),
        "u16" => whole(&u16::MIN, &u16::MAX),
        "u32" => whole(&u32::MIN, &u32::MAX),
        "i8" => whole(&i8::MIN, &i8::MAX),
        "i16" => whole(&i16::MIN, &i16::MAX),
        "i32" => whole(&i32::MIN, &i32::MAX),
        "u64" | "usize" => "a whole number, not negative".to_owned(),
        "i64" | "isize" => "a whole number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" => "a path in quotes".to_owned(),
        "a string" => "a text in quotes".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("enum ") => "a word in quotes".to_owned(),
        other => other.replace("an array of length", "a list of length"),
    }
}

fn kind_of(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "true or false",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) | Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a text",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// A value of the file, as a deserializer.
pub(crate) struct Node<'d, 't>(pub &'d Spanned<DeValue<'t>>);

impl<'de> Deserializer<'de> for Node<'_, '_> {
    type Error = TypeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        let value = self.0.get_ref();
        let read = match value {
            DeValue::String(text) => visitor.visit_str(text),
            DeValue::Integer(number) => {
                let (digits, radix) = (number.as_str(), number.radix());
                match (i64::from_str_radix(digits, radix), u64::from_str_radix(digits, radix)) {
                    (Ok(number), _) => visitor.visit_i64(number),
                    (_, Ok(number)) => visitor.visit_u64(number),
                    _ => Err(TypeError::known("is a number beyond 64 bits".to_owned())),
                }
            }
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => visitor.visit_f64(number),
                Err(_) => Err(TypeError::known("is not a number that is known".to_owned())),
            },
            DeValue::Boolean(holds) => visitor.visit_bool(*holds),
            // no configuration key has one of TOML's own dates
            DeValue::Datetime(_) => Err(TypeError::known("is a date without quotes".to_owned())),
            DeValue::Array(list) => visitor.visit_seq(Entries(list.iter().enumerate())),
            DeValue::Table(table) => visitor.visit_map(Keys { rest: table.iter(), value: None }),
        };
        read.map_err(|error| error.without(value))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TypeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, TypeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeError> {
        match self.0.get_ref().as_str() {
            Some(word) => visitor.visit_enum(text(word)),
            None => Err(TypeError::unknown_variant("", words)),
        }
    }

    /// Refuses a list in place of a table: serde would take it as the struct's fields in their order.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TypeError> {
        match self.0.get_ref() {
            DeValue::Array(_) => Err(TypeError::invalid_type(Unexpected::Seq, &visitor)),
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

fn text(text: &str) -> StrDeserializer<'_, TypeError> {
    text.into_deserializer()
}

struct Entries<'d, 't>(std::iter::Enumerate<<&'d DeArray<'t> as IntoIterator>::IntoIter>);

impl<'de> SeqAccess<'de> for Entries<'_, '_> {
    type Error = TypeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TypeError> {
        let Some((place, entry)) = self.0.next() else { return Ok(None) };
        let read = seed.deserialize(Node(entry));
        read.map(Some).map_err(|error| error.without(entry.get_ref()).at(KeyStep::Entry(place)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Keys<'d, 't> {
    rest: <&'d DeTable<'t> as IntoIterator>::IntoIter,
    value: Option<(&'d str, &'d Spanned<DeValue<'t>>)>,
}

impl<'de> MapAccess<'de> for Keys<'_, '_> {
    type Error = TypeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, TypeError> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        let key = key.get_ref().as_ref();
        self.value = Some((key, value));
        seed.deserialize(text(key)).map(Some).map_err(|error| error.at(KeyStep::Key(key.to_owned())))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, TypeError> {
        let (key, value) = self.value.take().expect("serde asks for a value after its key");
        let read = seed.deserialize(Node(value));
        read.map_err(|error| error.without(value.get_ref()).at(KeyStep::Key(key.to_owned())))
    }
}
