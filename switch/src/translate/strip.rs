//! Removal of the sensitive elements that a stored message may not carry, not even encrypted: track data, PIN block,
//! card security code, and the tags of DE55 that repeat the track or the PAN.

use codecs::value::Opaque;
use codecs::{Builder, Message, de, subfields, tlv};

/// EMV tags that hold the track 2 equivalent and the PAN.
const SENSITIVE_TAGS: [u32; 2] = [0x57, 0x5A];

/// The message without its sensitive elements, under its own MTI.
pub fn without_sensitive(message: &Message) -> Builder {
    let mut builder = Builder::new(message.dialect(), message.mti());
    builder.copy_all(message);
    builder.remove::<de::Track2>().remove::<de::Track3>().remove::<de::Track1>();
    builder.remove::<de::ExtendedPan>().remove::<de::PinBlock>().remove::<de::SecurityControl>();
    if let Ok(Some(data)) = message.get::<de::AdditionalData>() {
        match additional_data(data.bytes()) {
            Some(kept) => builder.put::<de::AdditionalData>(Opaque::new(kept)),
            None => builder.remove::<de::AdditionalData>(),
        };
    }
    if let Ok(Some(icc)) = message.get::<de::Icc>() {
        match chip_data(icc.bytes()) {
            Some(kept) => builder.put::<de::Icc>(Opaque::new(kept)),
            None => builder.remove::<de::Icc>(),
        };
    }
    builder
}

/// DE48 without the card security code; `None` if nothing is left, or if it cannot be parsed.
fn additional_data(content: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(content.len());
    for part in subfields::additional_data(content) {
        let (tag, value) = part.ok()?;
        if tag != subfields::additional::SECURITY_CODE {
            subfields::write_additional_data(u8::try_from(tag).ok()?, value, &mut kept);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// DE55 without the sensitive tags and without templates, which may contain them; `None` as above.
fn chip_data(content: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(content.len());
    for part in tlv::tags(content) {
        let part = part.ok()?;
        if !SENSITIVE_TAGS.contains(&part.tag) && !is_template(part.tag) {
            tlv::write(part.tag, part.value, &mut kept);
        }
    }
    (!kept.is_empty()).then_some(kept)
}

/// Bit 6 of a tag's first byte: its value is made of tags.
fn is_template(tag: u32) -> bool {
    let first = tag.to_be_bytes().into_iter().find(|byte| *byte != 0).unwrap_or(0);
    first & 0x20 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_security_code_goes_and_the_rest_stays() {
        assert_eq!(additional_data(b"920312361011"), Some(b"61011".to_vec()));
        assert_eq!(additional_data(b"9203123"), None);
        assert_eq!(additional_data(b"61011"), Some(b"61011".to_vec()));
        assert_eq!(additional_data(b"9203123X"), None, "what cannot be cut is not kept");
    }

    #[test]
    fn track_and_pan_tags_go_templates_included() {
        let mut data = Vec::new();
        let tag = |tag, value: &[u8], out: &mut Vec<u8>| assert!(tlv::write(tag, value, out));
        tag(0x9F26, &[1; 8], &mut data);
        tag(0x57, &[2; 17], &mut data);
        tag(0x5A, &[3; 8], &mut data);
        tag(0x70, &[0x5A, 1, 4], &mut data);
        tag(0x82, &[5, 6], &mut data);
        let mut expected = Vec::new();
        tag(0x9F26, &[1; 8], &mut expected);
        tag(0x82, &[5, 6], &mut expected);
        assert_eq!(chip_data(&data), Some(expected));
        assert_eq!(chip_data(&data[..data.len() - 1]), None);
    }
}
