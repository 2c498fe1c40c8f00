//! Composite elements taken apart for people.

use super::emv;
use super::meaning::money;
use super::words;
use crate::de::{self, DataElement, Exposure};
use crate::dialect::Version;
use crate::encoding::{Content, to_hex};
use crate::field::Field;
use crate::message::Message;
use crate::subfields::{self, additional};
use crate::tlv;
use crate::value::{Currency, Minor, mask_digits};

/// A sub-element: what it is called within its element, and what of it may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where its value starts in the message, where that can be said.
    pub offset: Option<usize>,
    pub label: String,
    pub name: String,
    pub value: String,
    pub meaning: String,
}

impl Part {
    fn new(label: impl Into<String>, name: &str, value: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self { offset: None, label: label.into(), name: name.into(), value: value.into(), meaning: meaning.into() }
    }
}

/// The sub-elements of an element; empty where it is no composite, or cannot be cut as one.
pub fn parts(message: &Message, element: u8) -> Vec<Part> {
    let Some(field) = message.field(element) else { return Vec::new() };
    let version = message.dialect().version;
    let cut = match element {
        de::AdditionalData::NUMBER if version == Version::V1987 => additional_data(&field),
        de::AdditionalData::NUMBER => private_data(&field),
        de::AdditionalAmounts::NUMBER if version != Version::V2003 => additional_amounts(message, &field),
        de::Icc::NUMBER => Some(icc(message, element, &field)),
        de::OriginalData::NUMBER if version == Version::V1987 => original_data(message),
        de::OriginalData93::NUMBER if version == Version::V1993 => original_data_93(&field),
        de::ReplacementAmounts::NUMBER if version == Version::V1987 => replacement_amounts(message),
        de::v93::OriginalAmounts::NUMBER if version == Version::V1993 => original_amounts(message),
        _ => None,
    };
    cut.unwrap_or_default()
}

/// DE 48 of 1987 as this project's dialects fill it. What is not known may be a security code: it is not shown.
fn additional_data(field: &Field<'_>) -> Option<Vec<Part>> {
    let content = field.content();
    subfields::additional_data(&content)
        .map(|part| {
            let (tag, value) = part.ok()?;
            let label = format!("{tag:02}");
            Some(match tag {
                additional::SECURITY_CODE => Part::new(label, "card security code", hidden(value), ""),
                additional::CAPABILITIES => {
                    let partial = if value.first() == Some(&b'1') { "partial approval" } else { "no partial approval" };
                    Part::new(label, "point of service capabilities", String::from_utf8_lossy(value), partial)
                }
                _ => Part::new(label, "", hidden(value), ""),
            })
        })
        .collect()
}

/// Private data subelements of clearing, by the names that public readers of the format give them.
const CLEARING: [(u16, &str); 9] = [
    (23, "terminal type"),
    (25, "reversal indicator"),
    (105, "file id"),
    (122, "processing mode"),
    (148, "currency exponents"),
    (158, "business activity"),
    (165, "settlement indicator"),
    (301, "file amount checksum"),
    (306, "file message count"),
];

fn private_data(field: &Field<'_>) -> Option<Vec<Part>> {
    let content = field.content();
    subfields::private_data(&content)
        .map(|part| {
            let (tag, value) = part.ok()?;
            Some(match CLEARING.iter().find(|(known, _)| *known == tag) {
                Some((_, name)) => Part::new(format!("{tag:04}"), name, String::from_utf8_lossy(value), ""),
                None => Part::new(format!("{tag:04}"), "", hidden(value), ""),
            })
        })
        .collect()
}

fn additional_amounts(message: &Message, field: &Field<'_>) -> Option<Vec<Part>> {
    let sets = subfields::additional_amounts(&field.content()).ok()?;
    let part = |set: subfields::AdditionalAmount| {
        Part::new(
            format!("{:02}", set.amount_type),
            words::amount_type(set.amount_type),
            set.amount.0.to_string(),
            format!(
                "{}, {}",
                money(message, set.amount, Some(set.currency)).unwrap_or_default(),
                words::account_type(set.account_type)
            ),
        )
    };
    Some(sets.into_iter().map(part).collect())
}

fn icc(message: &Message, element: u8, field: &Field<'_>) -> Vec<Part> {
    let content = field.content();
    let start = message.offset(element).unwrap_or(0);
    let bytes_each = field.rule().content.wire_len(1);
    let mut parts = Vec::new();
    for tag in tlv::tags(&content) {
        match tag {
            Ok(tlv::Tlv { tag, value }) => {
                // values lie within the content, in order: the distance of the slices is the place
                let within = value.as_ptr() as usize - content.as_ptr() as usize;
                let shown = match emv::exposure(tag) {
                    Exposure::Clear => to_hex(value),
                    Exposure::Masked => mask_digits(to_hex(value).trim_end_matches('F').bytes()),
                    Exposure::Hidden => hidden(value),
                };
                let offset = (field.rule().content != Content::Bcd).then_some(start + within * bytes_each);
                let name = emv::tag_name(tag).unwrap_or("");
                parts.push(Part { offset, ..Part::new(format!("{tag:X}"), name, shown, emv::meaning(tag, value)) });
            }
            Err(fault) => {
                let offset = Some(start + fault.offset * bytes_each);
                parts.push(Part { offset, ..Part::new("?", "", "", "the rest cannot be cut into tags") });
            }
        }
    }
    parts
}

fn original_data(message: &Message) -> Option<Vec<Part>> {
    let original = message.get::<de::OriginalData>().ok()??;
    let or_none = |id: Option<crate::value::InstitutionId>| id.map_or("none".to_owned(), |id| id.to_string());
    Some(vec![
        Part::new("", "message type", original.mti.as_str(), words::mti(original.mti)),
        Part::new("", "system trace audit number", original.stan.to_string(), ""),
        Part::new("", "transmission date and time", original.transmitted.map_or("none".into(), |t| t.to_string()), ""),
        Part::new("", "acquiring institution", or_none(original.acquirer), ""),
        Part::new("", "forwarding institution", or_none(original.forwarder), ""),
    ])
}

/// MTI 4, STAN 6, local date and time 12, then the acquirer with two digits of length (ISO 8583:1993, 4.4.18).
fn original_data_93(field: &Field<'_>) -> Option<Vec<Part>> {
    let content = field.content();
    let text = std::str::from_utf8(&content).ok()?;
    let mti = crate::Mti::from_digits(text.get(..4)?.as_bytes().try_into().ok()?)?;
    Some(vec![
        Part::new("", "message type", mti.as_str(), words::mti(mti)),
        Part::new("", "system trace audit number", text.get(4..10)?, ""),
        Part::new("", "date and time, local transaction", text.get(10..22)?, ""),
        Part::new("", "acquiring institution", text.get(24..)?, ""),
    ])
}

fn replacement_amounts(message: &Message) -> Option<Vec<Part>> {
    let amounts = message.get::<de::ReplacementAmounts>().ok()??;
    let currency = message.get::<de::Currency>().ok().flatten();
    Some(vec![
        amount(message, "actual amount, transaction", amounts.transaction, currency),
        amount(message, "actual amount, settlement", amounts.settlement, None),
    ])
}

fn original_amounts(message: &Message) -> Option<Vec<Part>> {
    let amounts = message.get::<de::v93::OriginalAmounts>().ok()??;
    let currency = message.get::<de::Currency>().ok().flatten();
    Some(vec![
        amount(message, "original amount, transaction", amounts.transaction, currency),
        amount(message, "original amount, reconciliation", amounts.reconciliation, None),
    ])
}

fn amount(message: &Message, name: &str, minor: Minor, currency: Option<Currency>) -> Part {
    Part::new("", name, minor.0.to_string(), money(message, minor, currency).unwrap_or_default())
}

fn hidden(value: &[u8]) -> String {
    format!("[{} hidden]", value.len())
}
