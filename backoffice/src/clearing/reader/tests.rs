//! Reads a file that our writer made, and checks that each way of damaging it is reported.

use std::io::Cursor;
use std::path::Path;

use codecs::ipm::{self, Writer as RecordWriter};
use codecs::value::{ApprovalCode, Currency, InstitutionId, Minor, Pan, Rrn, TerminalId, Text};
use codecs::{Builder, dialect};
use jiff::civil::date;

use super::super::record::FileId;
use super::super::reference::{AcquirerReference, ReferenceError};
use super::super::writer::Writer;
use super::*;

fn dialects() -> Dialects {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
    let load = |name| dialect::load(&folder, name).unwrap_or_else(|e| panic!("{e}"));
    Dialects { ascii: load("ipm"), ebcdic: load("ipm-ebcdic") }
}

const EXPECTED: FileRequirements<'_> = FileRequirements { processing: ProcessingMode::Test, senders: &["510099"] };

fn header() -> Header {
    Header {
        file: FileId::new(FileId::ACQUIRER_TO_ISSUER, date(2026, 11, 20), "510099", 1).unwrap(),
        processing: ProcessingMode::Test,
    }
}

fn presentment(sequence: u64, minor: i64) -> Presentment {
    use codecs::value::{LocalDateTime, LocalTime, MerchantId, MonthDay, ProcessingCode};
    let institution = InstitutionId::new("510099");
    Presentment {
        pan: Pan::from_digits(b"4000120000000008").unwrap(),
        processing: ProcessingCode::PURCHASE,
        amount: Minor(minor),
        currency: Currency::EUR,
        local_at: LocalDateTime {
            year: 26,
            date: MonthDay::new(11, 20).unwrap(),
            time: LocalTime::new(10, 15, 30).unwrap(),
        },
        pos_data: Text::new("510101500000"),
        business_code: 5411,
        reference: AcquirerReference::new("510099", date(2026, 11, 20), sequence).unwrap(),
        forwarder: institution,
        rrn: Rrn::new("632400000001"),
        approval: ApprovalCode::new("123456"),
        service_code: Text::new("201"),
        terminal: TerminalId::new("F0000001"),
        merchant: MerchantId::new("FACQ00000000001").unwrap(),
        acceptor: Some("CORNER SHOP\\HIGH STREET 1\\PARIS\\75001        FRA".into()),
        icc: Some(vec![0x9F, 0x36, 0x02, 0x00, 0x2A]),
        life_cycle: Some("SWY00000000000A".into()),
        originator: institution,
        takes_back: false,
    }
}

fn file(presentments: &[Presentment]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::start(&dialects().ascii, header(), &mut out).unwrap();
    for presentment in presentments {
        let taken_back_on = presentment.takes_back.then(|| date(2026, 11, 20));
        writer.presentment(presentment, taken_back_on, &mut out).unwrap();
    }
    writer.finish(&mut out).unwrap();
    out
}

/// A file as its receiver sees it.
struct Received {
    header: Header,
    presentments: Vec<(u32, Presentment)>,
    totals: Totals,
}

fn read(file: &[u8], dialects: &Dialects, expected: &FileRequirements<'_>) -> Result<Received, Refused> {
    let verified = match verify(Cursor::new(file), dialects, expected) {
        Ok(verified) => verified,
        Err(VerifyError::Refused(refused)) => return Err(refused),
        Err(VerifyError::Io(error)) => panic!("{error}"),
    };
    let mut reading = Presentments::of(&verified, Cursor::new(file), dialects).unwrap();
    let presentments = std::iter::from_fn(|| reading.next_presentment().unwrap()).collect();
    let VerifiedFile { header, totals, .. } = verified;
    Ok(Received { header, presentments, totals })
}

fn refused(file: &[u8]) -> Vec<FileFault> {
    read(file, &dialects(), &EXPECTED).err().expect("the file must be refused").faults
}

fn told(faults: Vec<FileFault>) -> String {
    Refused { faults, more: 0 }.to_string()
}

/// Cuts a file into its records.
fn cut(file: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(file, Layout::Blocked);
    std::iter::from_fn(|| reader.next_record().unwrap().map(<[u8]>::to_vec)).collect()
}

fn joined(records: &[Vec<u8>]) -> Vec<u8> {
    let (mut writer, mut out) = (RecordWriter::new(Layout::Blocked), Vec::new());
    for record in records {
        writer.record(record, &mut out).unwrap();
    }
    writer.finish(&mut out);
    out
}

/// A record with some elements changed and then encoded again, so that only the intended fault is in it.
fn edited(record: &[u8], edit: impl FnOnce(&mut Builder)) -> Vec<u8> {
    let dialect = dialects().ascii;
    let message = Message::decode(&dialect, record.to_vec().into()).unwrap();
    let mut builder = Builder::new(&dialect, message.mti());
    builder.copy_all(&message);
    edit(&mut builder);
    builder.encode().unwrap().to_vec()
}

#[test]
fn what_is_written_is_read() {
    let written = [
        presentment(1, 1250),
        Presentment { icc: None, life_cycle: None, ..presentment(2, 1) },
        Presentment { takes_back: true, ..presentment(3, 999_999_999_999) },
    ];
    let read = read(&file(&written), &dialects(), &EXPECTED).unwrap();
    assert_eq!(read.header, header());
    assert_eq!(read.presentments.iter().map(|(_, p)| p.clone()).collect::<Vec<_>>(), written);
    assert_eq!(read.presentments.iter().map(|(record, _)| *record).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(read.totals, Totals { records: 5, checksum: 1_000_000_001_250 });
}

#[test]
fn a_file_without_presentments_is_a_file() {
    let read = read(&file(&[]), &dialects(), &EXPECTED).unwrap();
    assert_eq!(read.totals, Totals { records: 2, checksum: 0 });
}

#[test]
fn a_file_of_another_program_is_read_in_each_form() {
    let expected = FileRequirements { processing: ProcessingMode::Test, senders: &["123450"] };
    for (name, bytes) in [
        ("vbs", &include_bytes!("../../../../codecs/tests/ipm/ipm-demo.ascii.vbs")[..]),
        ("1014", include_bytes!("../../../../codecs/tests/ipm/ipm-demo.ascii.1014")),
        ("ebcdic", include_bytes!("../../../../codecs/tests/ipm/ipm-demo.ebcdic.1014")),
    ] {
        // the example's reference number has no valid check digit: everything else must be in order
        let faults = read(bytes, &dialects(), &expected).err().expect("no check digit").faults;
        let source = RecordError::Reference(ReferenceError::CheckDigit);
        assert_eq!(faults, [FileFault::Record { record: 2, source }], "{name}");
    }
}

#[test]
fn every_cut_is_refused() {
    // more than one block: otherwise a cut right after the end mark would leave a whole, unblocked file
    let whole = file(&[1, 2, 3, 4].map(|sequence| presentment(sequence, 1250)));
    assert!(whole.len() > ipm::BLOCK);
    for end in 0..whole.len() {
        refused(&whole[..end]);
    }
}

#[test]
fn every_record_lost_doubled_or_moved_is_refused_with_its_place() {
    let whole = cut(&file(&[presentment(1, 1250), presentment(2, 3), presentment(3, 70)]));
    for at in 0..whole.len() {
        let mut lost = whole.clone();
        lost.remove(at);
        refused(&joined(&lost));
        let mut doubled = whole.clone();
        doubled.insert(at, whole[at].clone());
        refused(&joined(&doubled));
    }
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    let numbers = [FileFault::RecordNumber { record: 2, found: 3 }, FileFault::RecordNumber { record: 3, found: 2 }];
    assert_eq!(refused(&joined(&swapped)), numbers);
    let mut doubled = whole.clone();
    doubled.insert(2, whole[1].clone());
    let faults = refused(&joined(&doubled));
    assert!(faults.contains(&FileFault::RecordNumber { record: 3, found: 2 }), "{faults:?}");
    assert!(faults.contains(&FileFault::Checksum { record: 6, declared: 1323, counted: 2573 }), "{faults:?}");
    assert!(faults.contains(&FileFault::RecordCount { record: 6, declared: 5, counted: 6 }), "{faults:?}");
}

#[test]
fn each_edit_is_refused_with_its_element() {
    let whole = cut(&file(&[presentment(1, 1250), presentment(2, 3)]));
    let with = |at: usize, edit: &dyn Fn(&mut Builder)| {
        let mut records = whole.clone();
        records[at] = edited(&whole[at], |builder| edit(builder));
        let faults = refused(&joined(&records));
        told(faults)
    };
    let other_file = FileId::new(2, date(2026, 11, 20), "510099", 2).unwrap();
    let trailer = |file: FileId, checksum, records| {
        let dialect = dialects().ascii;
        let bytes = Trailer { file, checksum, records: 4 }.write(&dialect).unwrap().encode().unwrap().to_vec();
        let mut all = whole.clone();
        all[3] = edited(&bytes, |_| ());
        if records != 4 {
            let data = format!("0105025{}0301016{checksum:016}0306008{records:08}", header().file.as_str());
            all[3] = edited(&bytes, |b| {
                b.put::<de::AdditionalData>(codecs::value::Opaque::text(&data));
            });
        }
        told(refused(&joined(&all)))
    };
    for (said, expected) in [
        (
            with(1, &|b| {
                b.put::<de::Amount>(Minor(1251));
            }),
            "record 4: DE48 PDS0301 is 1253, DE4 over the file is 1254",
        ),
        (
            with(1, &|b| {
                b.put::<de::v93::AcquirerReference>(codecs::value::Opaque::text("75100996324000000000010"));
            }),
            "record 2: DE31: the check digit",
        ),
        (
            with(1, &|b| {
                b.remove::<de::Pan>();
            }),
            "record 2: DE2",
        ),
        (
            with(2, &|b| {
                b.remove::<de::v93::MessageNumber>();
                b.put::<de::SettlementInstitution>(InstitutionId::new("1").unwrap());
            }),
            "record 3: DE71",
        ),
        (
            with(2, &|b| {
                b.put::<de::v93::MessageNumber>(codecs::value::Number(9));
            }),
            "record 3: DE71 is 9",
        ),
        (
            with(1, &|b| {
                b.put::<de::v93::Originator>(InstitutionId::new("510098").unwrap());
            }),
            "record 2: DE94",
        ),
        (
            with(1, &|b| {
                b.put::<de::AdditionalData>(codecs::value::Opaque::text("01480049783"));
            }),
            "record 2: DE48: PDS0148 gives EUR 3 decimals",
        ),
        (
            with(1, &|b| {
                b.put::<de::AdditionalData>(codecs::value::Opaque::text("0148009978"));
            }),
            "record 2: DE48: subelements cannot be cut at character 0",
        ),
        (
            with(1, &|b| {
                b.put::<de::FunctionCode>(codecs::value::Number(205));
            }),
            "record 2: MTI 1240 with DE24 205 is not taken",
        ),
        (
            with(0, &|b| {
                b.put::<de::AdditionalData>(codecs::value::Opaque::text("0122001T"));
            }),
            "record 1: DE48: PDS0105 is missing",
        ),
        (
            with(0, &|b| {
                b.put::<de::AdditionalData>(codecs::value::Opaque::text(&format!(
                    "0105025{}0122001P",
                    header().file.as_str()
                )));
            }),
            "record 1: DE48 PDS0122 says Production",
        ),
        (trailer(other_file, 1253, 4), "record 4: DE48 PDS0105 is not the header's"),
        (trailer(header().file, 1252, 4), "record 4: DE48 PDS0301 is 1252"),
        (trailer(header().file, 1253, 5), "record 4: DE48 PDS0306 is 5, there are 4 records"),
    ] {
        assert!(said.contains(expected), "{said} does not say {expected}");
    }
}

#[test]
fn a_sender_who_is_not_expected_is_refused() {
    let expected = FileRequirements { senders: &["510051"], ..EXPECTED };
    let faults = read(&file(&[]), &dialects(), &expected).err().unwrap().faults;
    assert_eq!(faults, [FileFault::Sender { found: "510099".into() }]);
}

#[test]
fn no_fault_shows_a_card_number() {
    let whole = cut(&file(&[presentment(1, 1250)]));
    let mut records = whole.clone();
    records[1].truncate(90);
    let said = format!("{:?} {}", refused(&joined(&records)), told(refused(&joined(&records))));
    assert!(!said.contains("400012000000"), "{said}");
}

#[test]
fn a_flipped_byte_is_refused_or_changes_no_amount() {
    let whole = file(&[presentment(1, 1250)]);
    let original = read(&whole, &dialects(), &EXPECTED).unwrap();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x01;
        if let Ok(read) = read(&flipped, &dialects(), &EXPECTED) {
            assert_eq!(read.totals, original.totals, "byte {at}");
            assert_eq!(read.presentments.len(), 1);
        }
    }
}

#[test]
fn of_very_many_faults_the_first_are_told_and_all_are_counted() {
    let mut records = cut(&file(&[1; 150].map(|sequence| presentment(sequence, 1))));
    for record in &mut records[1..151] {
        *record = edited(record, |b| {
            b.put::<de::v93::Originator>(InstitutionId::new("510098").unwrap());
        });
    }
    let refused = read(&joined(&records), &dialects(), &EXPECTED).err().unwrap();
    assert_eq!((refused.faults.len(), refused.more), (100, 50));
    assert!(refused.to_string().ends_with("; and 50 more"), "{refused}");
}

#[test]
fn a_file_that_is_another_when_it_is_used_is_noticed() {
    let (first, other) = (file(&[presentment(1, 1250)]), file(&[presentment(2, 1250)]));
    let verified = verify(Cursor::new(&first), &dialects(), &EXPECTED).unwrap();
    let dialects = dialects();
    for other in [&other[..], &first[..first.len() - ipm::BLOCK / 2], b""] {
        let mut reading = Presentments::of(&verified, Cursor::new(other), &dialects).unwrap();
        let ended = loop {
            match reading.next_presentment() {
                Ok(Some(_)) => {}
                ended => break ended,
            }
        };
        assert!(matches!(ended, Err(PresentmentsError::Changed)), "{ended:?}");
    }
}
