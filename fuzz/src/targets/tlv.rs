//! Chip data: any bytes are tags or an error; tags turn back.

use super::golden::goldens;
use super::{Target, no_choice};
use codecs::dialect::shipped;
use codecs::tlv::{self, TlvError};
use codecs::{Message, de, describe::emv};

pub const TARGET: Target = Target { name: "tlv", check, seeds, dictionary, choices: no_choice };

fn check(input: &[u8]) {
    let mut canonical = Vec::new();
    let mut tags = Vec::new();
    for tlv in tlv::tags(input) {
        match tlv {
            Ok(tlv) => {
                assert!(tlv::write(tlv.tag, tlv.value, &mut canonical), "no value is longer than the input");
                tags.push((tlv.tag, tlv.value));
            }
            Err(TlvError { offset, tag, .. }) => {
                assert!(offset < input.len(), "{tag:X} at {offset}");
                assert!(tlv::find(input, u32::MAX).is_err(), "a search goes as far as the fault");
                break;
            }
        }
    }
    // filler between tags is not kept, and lengths become as short as they can be
    assert!(canonical.len() <= input.len());
    let again = tlv::tags(&canonical).map(|tlv| tlv.map(|tlv| (tlv.tag, tlv.value))).collect::<Result<Vec<_>, _>>();
    assert_eq!(again.as_ref(), Ok(&tags), "tags do not turn back");
    for (tag, _) in &tags {
        let first = tags.iter().find(|(other, _)| other == tag).map(|(_, value)| *value);
        assert_eq!(tlv::find(&canonical, *tag), Ok(first));
        let _ = emv::tag_name(*tag);
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let chip = goldens().into_iter().filter_map(|golden| {
        let message = Message::decode(&shipped(&golden.dialect).ok()?, golden.bytes.into()).ok()?;
        Some(message.get::<de::Icc>().ok()??.into_owned())
    });
    chip.collect()
}

fn dictionary() -> Vec<Vec<u8>> {
    let tags = emv::tags().map(|tag| {
        let mut word = Vec::new();
        tlv::write(tag, &[], &mut word);
        word
    });
    // tags of three bytes and of four, lengths of each form
    let forms = [&b"\xDF\x81\x05"[..], b"\xDF\x81\x81\x05", b"\x81\x80", b"\x82\x01\x00", b"\x83\x00\x00\x01", b"\x80"];
    tags.chain(forms.map(<[u8]>::to_vec)).collect()
}
