//! Message authentication codes: which bytes they cover, and where they are placed.
//!
//! The code covers the message from its MTI to the last element before 64 or 128, with that element's bit set, as
//! encoded on the wire; a TPDU or header before it is left out (ISO 9807; ISO 8583 clause 4.8).

use crate::de::{self, DataElement};
use crate::message::Message;
use crate::value::Mac;

/// A message's code and the bytes that it covers; `None` for a message without one.
///
/// # Errors
/// The element is present and not eight bytes.
pub fn covered(message: &Message) -> Result<Option<(&[u8], Mac)>, crate::DecodeError> {
    let (mac, element) = match message.get::<de::MacSecondary>()? {
        Some(mac) => (Some(mac), de::MacSecondary::NUMBER),
        None => (message.get::<de::MacPrimary>()?, de::MacPrimary::NUMBER),
    };
    let from = message.dialect().header.len();
    Ok(mac.zip(message.offset(element)).map(|(mac, end)| (&message.bytes()[from..end], mac)))
}

/// The bytes covered by the code of an encoded message, if the code was reserved as its last element.
pub fn covered_of_encoded<'b>(encoded: &'b [u8], dialect: &crate::Dialect) -> &'b [u8] {
    &encoded[dialect.header.len()..encoded.len() - width(dialect)]
}

/// Writes the code into the place that [`crate::Builder::reserve_mac`] reserved at the end of an encoded message.
pub fn set(encoded: &mut [u8], dialect: &crate::Dialect, mac: Mac) {
    use crate::encoding::{Content, hex_digit};
    let place = encoded.len() - width(dialect);
    let digits = mac.0.iter().flat_map(|b| [hex_digit(b >> 4), hex_digit(*b)]);
    match content(dialect) {
        Content::HexAscii => encoded[place..].iter_mut().zip(digits).for_each(|(to, from)| *to = from),
        Content::HexEbcdic(page) => encoded[place..].iter_mut().zip(digits).for_each(|(to, d)| *to = page.encode(d)),
        _ => encoded[place..].copy_from_slice(&mac.0),
    }
}

fn content(dialect: &crate::Dialect) -> crate::encoding::Content {
    dialect.rule(de::MAC_PRIMARY).map_or(crate::encoding::Content::Raw, |rule| rule.content)
}

fn width(dialect: &crate::Dialect) -> usize {
    content(dialect).wire_len(8)
}
