//! A clearing file written by another program, in its three forms: read to the last element, and written again byte for
//! byte.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use codecs::ipm::{Layout, Reader, Writer};
use codecs::value::Minor;
use codecs::{Builder, Dialect, Message, de, dialect, subfields};
use std::path::Path;
use std::sync::Arc;

const STREAM: &[u8] = include_bytes!("ipm/ipm-demo.ascii.vbs");
const BLOCKED: &[u8] = include_bytes!("ipm/ipm-demo.ascii.1014");
const EBCDIC: &[u8] = include_bytes!("ipm/ipm-demo.ebcdic.1014");

fn shipped(name: &str) -> Arc<Dialect> {
    dialect::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects"), name)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn messages(file: &[u8], dialect: &str) -> Vec<Message> {
    let (dialect, layout) = (shipped(dialect), Layout::of(file).unwrap());
    let mut reader = Reader::new(file, layout);
    let mut messages = Vec::new();
    while let Some(record) = reader.next_record().unwrap() {
        messages.push(Message::decode(&dialect, record.to_vec().into()).unwrap());
    }
    messages
}

#[test]
fn the_forms_are_told_apart() {
    assert_eq!(
        [STREAM, BLOCKED, EBCDIC].map(|file| Layout::of(file).unwrap()),
        [Layout::Stream, Layout::Blocked, Layout::Blocked]
    );
}

#[test]
fn all_forms_say_the_same() {
    let ascii = messages(STREAM, "ipm");
    assert_eq!(ascii.len(), 3);
    for (file, dialect) in [(BLOCKED, "ipm"), (EBCDIC, "ipm-ebcdic")] {
        let other = messages(file, dialect);
        assert_eq!(other.len(), ascii.len());
        for (here, there) in ascii.iter().zip(&other) {
            assert_eq!(here.mti(), there.mti());
            assert!(here.elements().eq(there.elements()));
            for element in here.elements() {
                assert_eq!(
                    here.field(element).unwrap().content(),
                    there.field(element).unwrap().content(),
                    "DE{element}"
                );
            }
        }
    }
}

#[test]
fn the_presentment_reads_as_its_description() {
    let presentment = &messages(STREAM, "ipm")[1];
    assert_eq!(presentment.mti().as_str(), "1240");
    assert_eq!(presentment.require::<de::FunctionCode>().unwrap().0, 200);
    assert_eq!(presentment.require::<de::Amount>(), Ok(Minor(632)));
    assert_eq!(presentment.require::<de::v93::PosData>().unwrap().as_str(), "510101510146");
    assert_eq!(presentment.require::<de::v93::BusinessCode>().unwrap().0, 5999);
    assert_eq!(presentment.require::<de::v93::MessageNumber>().unwrap().0, 2);
    assert_eq!(presentment.require::<de::v93::Originator>().unwrap().as_str(), "001234");
    assert_eq!(presentment.require::<de::Currency>().unwrap().letters(), Some("GBP"));
    assert_eq!(presentment.require::<de::ServiceCode>().unwrap().as_str(), "201");
    let pds: Vec<_> = subfields::private_data(presentment.require::<de::AdditionalData>().unwrap().bytes())
        .map(|pds| pds.map(|(tag, value)| (tag, String::from_utf8(value.to_vec()).unwrap())).unwrap())
        .collect();
    let expected =
        [(23, "CT6"), (148, "8262"), (158, "MCC2000011"), (165, "M")].map(|(tag, text)| (tag, text.to_owned()));
    assert_eq!(pds, expected);
}

#[test]
fn read_and_written_again_every_form_is_the_same_file() {
    for (file, name, layout) in
        [(STREAM, "ipm", Layout::Stream), (BLOCKED, "ipm", Layout::Blocked), (EBCDIC, "ipm-ebcdic", Layout::Blocked)]
    {
        let (mut writer, mut out) = (Writer::new(layout), Vec::new());
        for message in messages(file, name) {
            let record = Builder::new(&shipped(name), message.mti()).copy_all(&message).encode().unwrap();
            writer.record(&record, &mut out).unwrap();
        }
        writer.finish(&mut out);
        assert!(out == file, "{name} {layout:?} differs");
    }
}

#[test]
fn private_data_turns_back_and_refuses_what_does_not_fit() {
    let mut out = Vec::new();
    subfields::write_private_data(148, b"9782", &mut out).unwrap();
    subfields::write_private_data(165, b"M", &mut out).unwrap();
    assert_eq!(out, b"014800497820165001M");
    assert_eq!(subfields::write_private_data(10_000, b"", &mut out), None);
    assert_eq!(subfields::write_private_data(1, &[b'x'; 1000], &mut out), None);
    assert_eq!(out.len(), 19);
}
