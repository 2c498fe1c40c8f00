//! Elements that are made of parts, and files that are made of records: any bytes are cut into parts or refused at a
//! place, the parts in a row are the bytes again, and parts can be joined to the content they came from.

use super::Target;
use super::forms::FORMS;
use super::golden::goldens;
use codecs::composite::{CutError, Inner, Part, PathStep};
use codecs::dialect::shipped;
use codecs::subfields::{self, SubfieldError};
use codecs::{Message, Version, ipm};

pub const TARGET: Target = Target { name: "composite", check, seeds, dictionary, choices: || FORMS.len() };

/// The value of the first byte that says the rest is a file of records.
const RECORDS: u8 = 255;

/// Input: which form, the content.
fn check(input: &[u8]) {
    let Some((which, content)) = input.split_first() else { return };
    if *which == RECORDS {
        records_turn_back(content);
        return;
    }
    parts_turn_back(FORMS[usize::from(*which) % FORMS.len()].inner(), content, 0);
    amounts_turn_back(content);
}

fn parts_turn_back(inner: &Inner, content: &[u8], depth: usize) {
    let form = inner.word(Version::V1987);
    let mut parts = inner.parts(content);
    let mut read: Vec<Part<'_>> = Vec::new();
    let mut fault = None;
    for part in parts.by_ref() {
        match part {
            Ok(part) => read.push(part),
            Err(broken) => fault = Some(broken),
        }
        assert!(read.len() <= content.len() + 70, "each part takes bytes, but those of rows of no length");
    }
    let in_a_row: Vec<u8> = read.iter().flat_map(|part| part.raw).copied().collect();
    match fault {
        Some(CutError { offset, .. }) => {
            assert!(offset <= content.len() && content.starts_with(&in_a_row), "{form}");
            assert!(inner.check(content).is_err());
            assert!(inner.find(content, PathStep::Number(u8::MAX)).is_err(), "a search goes as far as the fault");
        }
        None => {
            // XML in the place of elements has no parts
            let xml = read.is_empty() && content.starts_with(b"<");
            let all = xml || [&in_a_row[..], parts.rest()].concat() == content;
            assert!(all, "{form}: the parts are not the content");
            can_be_joined(inner, &read, content);
        }
    }
    for part in read {
        let from = part.at;
        assert_eq!(part.value.raw(), &content[from..from + part.value.raw().len()], "{form}: {}", part.step);
        assert!(part.value.chars().count() == part.value.len() && !part.step.label().is_empty());
        if let (Some(inner), 0..8) = (part.inner, depth) {
            parts_turn_back(inner, &part.value.content(), depth + 1);
        }
    }
}

/// Joined parts need not be the same bytes – filler is left out, lengths become short, hex digits upper case – but are
/// the same parts, and joined once more the same bytes.
fn can_be_joined(inner: &Inner, read: &[Part<'_>], content: &[u8]) {
    let values: Vec<(PathStep, Vec<u8>)> =
        read.iter().map(|part| (part.step, part.value.content().into_owned())).collect();
    if values.is_empty() {
        return;
    }
    let form = inner.word(Version::V1987);
    let join = |values: &[(PathStep, Vec<u8>)]| {
        let borrowed: Vec<(PathStep, &[u8])> = values.iter().map(|(step, value)| (*step, &value[..])).collect();
        inner.join(&borrowed).unwrap_or_else(|fault| panic!("{form}: what was read cannot be joined: {fault}"))
    };
    let joined = join(&values);
    assert!(joined.len() <= content.len(), "{form}: joined parts are longer than they came");
    let again = inner.parts(&joined).map(|part| part.map(|part| (part.step, part.value.content().into_owned())));
    let again: Vec<(PathStep, Vec<u8>)> =
        again.collect::<Result<_, _>>().unwrap_or_else(|fault| panic!("{form}: joined parts: {fault}"));
    let others = |values: &[(PathStep, Vec<u8>)]| -> Vec<(PathStep, Vec<u8>)> {
        // the bitmap of elements is made anew, in upper case
        values.iter().filter(|(step, _)| *step != PathStep::Number(0)).cloned().collect()
    };
    assert_eq!(others(&again), others(&values), "{form}: parts do not turn back");
    assert_eq!(join(&again), joined, "{form}");
}

fn amounts_turn_back(content: &[u8]) {
    match subfields::additional_amounts(content) {
        Ok(sets) => {
            let mut out = Vec::new();
            sets.iter().for_each(|set| subfields::write_additional_amount(set, &mut out));
            let read = subfields::additional_amounts(&out);
            assert_eq!(read.as_ref(), Ok(&sets), "amounts do not turn back");
        }
        Err(SubfieldError(at)) => assert!(at < content.len()),
    }
}

/// The records of a clearing file are written again to the same file, whichever of its two layouts it is taken for.
fn records_turn_back(file: &[u8]) {
    for layout in [ipm::Layout::Stream, ipm::Layout::Blocked] {
        let mut reader = ipm::Reader::new(file, layout);
        let mut writer = ipm::Writer::new(layout);
        let mut out = Vec::new();
        let complete = loop {
            match reader.next_record() {
                Ok(Some(record)) => writer.record(record, &mut out).expect("a record that was read can be written"),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        if !complete {
            continue;
        }
        writer.finish(&mut out);
        assert_eq!(out, file, "{layout:?}: records do not turn back");
    }
}

/// The composite elements of the golden messages, a content for each form, and a clearing file of both layouts.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    let mut files = [ipm::Layout::Stream, ipm::Layout::Blocked].map(|layout| (ipm::Writer::new(layout), Vec::new()));
    for (count, golden) in goldens().into_iter().enumerate() {
        let dialect = shipped(&golden.dialect).ok();
        let Some(message) = dialect.and_then(|dialect| Message::decode(&dialect, golden.bytes.into()).ok()) else {
            continue;
        };
        for (which, form) in FORMS.iter().enumerate() {
            let field = message.field(form.element).filter(|_| form.dialect.name == message.dialect().name);
            seeds.extend(field.map(|field| [&[which as u8][..], &field.content()].concat()));
        }
        for (writer, file) in files.iter_mut().filter(|_| count < 4) {
            writer.record(message.bytes(), file).expect("a message is shorter than a record may be");
        }
    }
    for (writer, mut file) in files {
        writer.finish(&mut file);
        seeds.push([&[RECORDS][..], &file].concat());
    }
    seeds.extend((0..FORMS.len()).flat_map(|which| CONTENTS.iter().map(move |of| [&[which as u8][..], of].concat())));
    seeds
}

/// Content of each form; tried as every other as well.
const CONTENTS: &[&[u8]] = &[
    b"9203123610110",
    b"0105005ABCDE0158012MCC000000000",
    b"007AB00123",
    b"0057978D0000000019990040978C000000000500",
    b"\x9F\x26\x08\x01\x02\x03\x04\x05\x06\x07\x08\x9F\x27\x01\x80\x82\x02\x19\x80",
    b"\x01\x00\x05\x9F\x27\x01\x80\x00\x33\x00\x0E\x80\x8000109\x9F\x10\x06\x06\x01\x12\x00\x00",
    b"\x00\x41\x03abc\x00\x42\x00",
    b"80000001000120089203123610110",
    b"\x42\0\0\0\0\0\0\0\x04\x12\x34C\x00\x00\x01\x00",
    b"\x00\x00\x00\x80\0\0\0\0\x00\x16\0\0\0\0\0\0\0\x01\x01\x02\x03\x04\x05\x06\x07\x08",
    b"<xml>content</xml>",
    b"& 0000300040! 0400004 1234! B400004 abcd",
    b"020000000711201015300000051009900000000000",
    b"000000001500000000000000D00000000D00000000",
];

fn dictionary() -> Vec<Vec<u8>> {
    let text = [
        "9203123",
        "61011",
        "0105025",
        "0158012",
        "0000000",
        "9999",
        "00000",
        "99999",
        "978C",
        "! B400000 ",
        "& 00002",
    ];
    let bytes = [
        &[0u8; 4][..],
        &[0x40; 2],
        &[0, 0, 0x17, 0x70],
        &[0, 0, 0x17, 0x71],
        &[0x9F, 0x26],
        &[0x82, 1, 0],
        &[0x33, 0, 3],
    ];
    text.map(|word| word.as_bytes().to_vec()).into_iter().chain(bytes.map(<[u8]>::to_vec)).collect()
}
