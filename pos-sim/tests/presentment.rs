//! The clearing file against one that an independent program made of the same content.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use codecs::value::{ApprovalCode, Currency, InstitutionId, Minor, Pan, PosEntryMode, ProcessingCode, Rrn, Text};
use pos_sim::moment::Moment;
use pos_sim::presentment::{Capture, FileId, Mode, Presentment, PresentmentFile, acquirer_reference, present};
use pos_sim::request::CardAcceptor;

fn demo_capture() -> Capture {
    Capture {
        pan: Pan::from_digits(b"5204230010000001").unwrap(),
        processing: ProcessingCode::PURCHASE,
        amount: Minor(632),
        currency: Currency::from_number(826),
        at: Moment::utc("2026-11-20T10:15:30Z".parse().unwrap()),
        entry: PosEntryMode { entry: 5, pin: 1 },
        rrn: Rrn::new("632410000017"),
        approval: ApprovalCode::new("012345"),
        life_cycle: None,
        acceptor: CardAcceptor::new("TERM0001", "MERCHANT0000001", "5999").unwrap(),
        location: "CORNER SHOP\\1 HIGH STREET\\LONDON\\SW1A1AA   LNDGBR".into(),
    }
}

fn dialect() -> std::sync::Arc<codecs::Dialect> {
    codecs::dialect::load(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/dialects")), "ipm").unwrap()
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let capture = demo_capture();
    let id = FileId { sender: InstitutionId::new("123450").unwrap(), at: capture.at, sequence: 1 };
    let acquirer = InstitutionId::new("001234").unwrap();
    let presentment = Presentment {
        pos_data: Text::new("510101510146").unwrap(),
        acquirer_reference: "05204236324000000000017".into(),
        acquirer,
        service_code: Text::new("201"),
        private: vec![(23, "CT6".into()), (148, "8262".into()), (158, "MCC2000011".into()), (165, "M".into())],
        capture,
    };
    let file = PresentmentFile::build(&dialect(), id, Mode::Test, &[presentment]).unwrap();
    let expected = include_bytes!("../vectors/ipm-demo.ascii.1014");
    let at = file.bytes().iter().zip(expected).position(|(ours, theirs)| ours != theirs);
    let near = at.map(|at| String::from_utf8_lossy(&file.bytes()[at.saturating_sub(30)..at + 20]).into_owned());
    assert_eq!(at, None, "differs at byte {at:?}: {near:?}");
    assert_eq!(file.bytes().len(), expected.len());
    assert_eq!((file.records, file.checksum), (3, 632));
}

#[test]
fn the_reference_has_bin_day_sequence_and_check_digit() {
    let at = Moment::utc("2026-11-20T10:15:30Z".parse().unwrap());
    let reference = acquirer_reference(InstitutionId::new("520423").unwrap(), at, 1);
    assert_eq!(reference, "05204236324000000000010");
    // the check by hand: every second digit from the right counts double, and the sum ends in zero
    let sum: u32 = reference
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, d)| u32::from(d - b'0') * if i % 2 == 0 { 1 } else { 2 })
        .map(|n| n / 10 + n % 10)
        .sum();
    assert_eq!(sum % 10, 0);
}

#[test]
fn many_records_are_blocked_and_counted() {
    let capture = demo_capture();
    let id = FileId { sender: InstitutionId::new("510099").unwrap(), at: capture.at, sequence: 7 };
    let captures: Vec<Capture> = (1..=50)
        .map(|n| Capture { amount: Minor(n), life_cycle: Some(format!("SWY{n:012}")), ..capture.clone() })
        .collect();
    let file = present(&dialect(), id, captures).unwrap();
    assert_eq!((file.records, file.checksum), (52, 50 * 51 / 2));
    assert_eq!(file.bytes().len() % 1014, 0);
    let mut stream = Vec::new();
    for block in file.bytes().chunks(1014) {
        assert_eq!(&block[1012..], b"\x40\x40");
        stream.extend_from_slice(&block[..1012]);
    }
    let mut records = Vec::new();
    let mut rest = &stream[..];
    while let Some((length, after)) = rest.split_at_checked(4) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        if length == 0 {
            break;
        }
        let message = codecs::Message::decode(&dialect(), bytes::Bytes::copy_from_slice(&after[..length])).unwrap();
        records.push(message);
        rest = &after[length..];
    }
    assert_eq!(records.len(), 52);
    for (number, record) in (1..).zip(&records) {
        let stands = record.require::<codecs::de::v93::MessageNumber>().unwrap().0;
        assert_eq!(stands, number);
    }
    let life_cycle = records[1].require::<codecs::de::LifeCycleId>().unwrap();
    assert_eq!(life_cycle.as_str(), Some("SWY000000000001"));
}
