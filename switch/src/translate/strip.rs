//! Removal of the sensitive elements that a stored message may not carry, not even encrypted: track data, PIN block,
//! card security code, and all tags of DE55 but those that are known to hold none of that.

use codecs::value::Opaque;
use codecs::{Builder, Message, de, subfields, tlv};

/// The tags of DE55 that a stored message keeps: what the terminal and the card say of the transaction (EMV Book 3, annex A).
/// A list of what may stay, because the card's number hides in many places: track data in 56, 57, 9F1F, 9F20 and 9F6B,
/// templates, tags that a scheme or a vendor has made up, and what a reader takes for padding.
const KEPT_TAGS: [u32; 29] = [
    0x4F, 0x5F2A, 0x5F34, 0x82, 0x84, 0x95, 0x9A, 0x9C, 0x9F02, 0x9F03, 0x9F06, 0x9F07, 0x9F09, 0x9F10, 0x9F15, 0x9F1A,
    0x9F1E, 0x9F21, 0x9F26, 0x9F27, 0x9F33, 0x9F34, 0x9F35, 0x9F36, 0x9F37, 0x9F39, 0x9F41, 0x9F53, 0x9F66,
];

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

/// The tags of DE55 that may be kept; `None` as above.
fn chip_data(content: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(content.len());
    for part in tlv::tags(content) {
        let part = part.ok()?;
        if KEPT_TAGS.contains(&part.tag) {
            tlv::write(part.tag, part.value, &mut kept);
        }
    }
    (!kept.is_empty()).then_some(kept)
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
    fn whatever_may_hold_track_or_pan_goes() {
        let mut data = Vec::new();
        let tag = |tag, value: &[u8], out: &mut Vec<u8>| assert!(tlv::write(tag, value, out));
        tag(0x9F26, &[1; 8], &mut data);
        tag(0x57, &[2; 17], &mut data);
        tag(0x5A, &[3; 8], &mut data);
        for hiding in [0x56, 0x9F1F, 0x9F20, 0x9F6B, 0x9F7C, 0xDF01, 0xDF8101, 0x70, 0x61, 0xBF0C, 0xE1] {
            tag(hiding, &[0x5A, 1, 4], &mut data);
        }
        // FF is skipped as padding, and what follows is read as a tag of its own
        data.extend_from_slice(&[0xFF, 0x01, 3, 0x5A, 1, 4, 0xFF, 0x50, 3, 0x5A, 1, 4]);
        tag(0x82, &[5, 6], &mut data);
        let mut expected = Vec::new();
        tag(0x9F26, &[1; 8], &mut expected);
        tag(0x82, &[5, 6], &mut expected);
        assert_eq!(chip_data(&data), Some(expected));
        assert_eq!(chip_data(&data[..data.len() - 1]), None);
    }
}
