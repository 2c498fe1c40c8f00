//! Composite elements that are text: any characters are cut into parts or refused at a place; parts turn back.

use super::golden::goldens;
use super::{Target, no_choice};
use codecs::de::{self, DataElement};
use codecs::dialect::shipped;
use codecs::subfields::{self, SubfieldError, Tagged};
use codecs::{Message, ipm};

pub const TARGET: Target = Target { name: "composite", check, seeds, dictionary, choices: no_choice };

fn check(input: &[u8]) {
    let write = |(tag, value): (u16, &[u8]), out: &mut Vec<u8>| subfields::write_additional_data(tag as u8, value, out);
    parts_turn_back(subfields::additional_data(input), input, write);
    let write = |(tag, value): (u16, &[u8]), out: &mut Vec<u8>| {
        subfields::write_private_data(tag, value, out).expect("what was read fits");
    };
    parts_turn_back(subfields::private_data(input), input, write);
    amounts_turn_back(input);
    records_turn_back(input);
}

fn parts_turn_back<'i>(parts: Tagged<'i>, input: &[u8], write: impl Fn((u16, &'i [u8]), &mut Vec<u8>)) {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Ok(part) => write(part, &mut out),
            Err(SubfieldError(at)) => {
                assert_eq!(at, out.len(), "what is in front of a fault was read");
                assert_eq!(out, input[..at]);
                return;
            }
        }
    }
    assert_eq!(out, input, "parts do not turn back");
}

fn amounts_turn_back(input: &[u8]) {
    match subfields::additional_amounts(input) {
        Ok(sets) => {
            let mut out = Vec::new();
            sets.iter().for_each(|set| subfields::write_additional_amount(set, &mut out));
            let read = subfields::additional_amounts(&out);
            assert_eq!(read.as_ref(), Ok(&sets), "amounts do not turn back");
        }
        Err(SubfieldError(at)) => assert!(at < input.len()),
    }
}

/// The records of a clearing file are written again to the same file, whichever of its two layouts it is taken for.
fn records_turn_back(input: &[u8]) {
    for layout in [ipm::Layout::Stream, ipm::Layout::Blocked] {
        let Ok(stream) = ipm::stream(input, layout) else { continue };
        let Ok(records) = ipm::records(&stream, layout).collect::<Result<Vec<_>, _>>() else { continue };
        let mut writer = ipm::Writer::new(layout);
        let mut out = Vec::new();
        for record in records {
            writer.record(record, &mut out).expect("a record that was read can be written");
        }
        writer.finish(&mut out);
        assert_eq!(out, input, "{layout:?}: records do not turn back");
    }
}

/// The composite elements of the golden messages, and a clearing file of both layouts.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut files = [ipm::Layout::Stream, ipm::Layout::Blocked].map(|layout| (ipm::Writer::new(layout), Vec::new()));
    for golden in goldens() {
        let dialect = shipped(&golden.dialect).ok();
        let Some(message) = dialect.and_then(|dialect| Message::decode(&dialect, golden.bytes.into()).ok()) else {
            continue;
        };
        for element in [de::AdditionalData::NUMBER, de::AdditionalAmounts::NUMBER] {
            seeds.extend(message.field(element).map(|field| field.content().into_owned()));
        }
        if seeds.len() < 8 {
            for (writer, file) in &mut files {
                writer.record(message.bytes(), file).expect("a message is shorter than a record may be");
            }
        }
    }
    for (writer, mut file) in files {
        writer.finish(&mut file);
        seeds.push(file);
    }
    seeds
}

fn dictionary() -> Vec<Vec<u8>> {
    let words =
        ["9203123", "61011", "0105025", "0158012", "0000000", "9999999", "9999", "0057978D000000001999", "978C"];
    let marks = [&[0u8; 4][..], &[0x40; 2], &[0, 0, 0x17, 0x70], &[0, 0, 0x17, 0x71]];
    words.map(|word| word.as_bytes().to_vec()).into_iter().chain(marks.map(<[u8]>::to_vec)).collect()
}
