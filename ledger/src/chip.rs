//! Chip data for clearing: selects the tags of an authorization's DE55 that are stored and presented. Pure.

use codecs::tlv;

/// The tags that show the issuer how the card was authenticated (EMV book 3, annex A). An allow list: a tag that
/// repeats the PAN or the track is not on it, whatever its number.
const PASSED: [u32; 22] = [
    0x5F2A, 0x5F34, 0x82, 0x84, 0x95, 0x9A, 0x9C, 0x9F02, 0x9F03, 0x9F09, 0x9F10, 0x9F1A, 0x9F1E, 0x9F26, 0x9F27,
    0x9F33, 0x9F34, 0x9F35, 0x9F36, 0x9F37, 0x9F41, 0x9F53,
];

/// The allowed tags in their order; `None` if there is none, or if the content cannot be cut into tags.
#[must_use]
pub fn for_presentment(content: &[u8]) -> Option<Vec<u8>> {
    let mut kept = Vec::with_capacity(content.len());
    for part in tlv::tags(content) {
        let part = part.ok()?;
        if PASSED.contains(&part.tag) && !tlv::write(part.tag, part.value, &mut kept) {
            return None;
        }
    }
    (!kept.is_empty()).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_repeats_the_card_passes() {
        let mut content = Vec::new();
        for (tag, value) in [
            (0x9F26, &[1, 2, 3, 4, 5, 6, 7, 8][..]),
            (0x57, &[0x51, 0x00, 0x51, 0xD2]),
            (0x5A, &[0x51, 0x00, 0x51]),
            (0x9F36, &[0, 42]),
            (0x5F20, b"A CARDHOLDER"),
        ] {
            assert!(tlv::write(tag, value, &mut content));
        }
        let kept = for_presentment(&content).unwrap();
        assert_eq!(tlv::tags(&kept).map(|part| part.unwrap().tag).collect::<Vec<_>>(), [0x9F26, 0x9F36]);
        assert_eq!(for_presentment(&content[..content.len() - 1]), None, "cut short");
        assert_eq!(for_presentment(&[0x5A, 1, 0x51]), None, "nothing left");
    }
}
