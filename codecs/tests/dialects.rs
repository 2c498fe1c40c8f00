//! The shipped dialects: a message means the same in each, and turns back to the same bytes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use codecs::value::*;
use codecs::{Builder, DecodeError, Dialect, ErrorKind, Message, Mti, de, dialect, mac};
use std::path::Path;
use std::sync::Arc;

fn shipped(name: &str) -> Arc<Dialect> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
    dialect::load(&folder, name).unwrap_or_else(|e| panic!("{e}"))
}

fn purchase(dialect: &Arc<Dialect>) -> Builder {
    let mut builder = Builder::new(dialect, Mti::of(b"0200"));
    builder
        .put::<de::Pan>(Pan::from_digits(b"4000120000000002123").unwrap())
        .put::<de::ProcessingCode>(ProcessingCode::PURCHASE)
        .put::<de::Amount>(Minor(1999))
        .put::<de::Stan>(Stan(7))
        .put::<de::LocalTime>(LocalTime::new(10, 15, 30).unwrap())
        .put::<de::LocalDate>(MonthDay::new(11, 20).unwrap())
        .put::<de::PosEntryMode>(PosEntryMode { entry: 5, pin: 1 })
        .put::<de::Track2>(Track2::from_chars(b"4000120000000002123=30122010000123000").unwrap())
        .put::<de::Acquirer>(InstitutionId::new("400012").unwrap())
        .put::<de::TerminalId>(TerminalId::new("T0000001").unwrap())
        .put::<de::MerchantId>(MerchantId::new("SWYD00000000001").unwrap())
        .put::<de::Currency>(Currency::EUR)
        .put::<de::PinBlock>(PinBlock::new(&[0xA5; 8]).unwrap())
        .put::<de::Icc>(Opaque::new(vec![0x9F, 0x36, 0x02, 0x00, 0x2A]));
    builder
}

#[test]
fn a_message_means_the_same_in_each_dialect_of_1987() {
    for name in ["iso87-ascii", "iso87-binary", "switchyard-host"] {
        let dialect = shipped(name);
        let bytes = purchase(&dialect).encode().unwrap();
        let message = Message::decode(&dialect, bytes.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(message.require::<de::Pan>().unwrap().expose(), b"4000120000000002123", "{name}");
        assert_eq!(message.require::<de::Amount>(), Ok(Minor(1999)));
        assert_eq!(message.require::<de::PosEntryMode>(), Ok(PosEntryMode { entry: 5, pin: 1 }));
        assert_eq!(message.require::<de::Track2>().unwrap().expose(), b"4000120000000002123=30122010000123000");
        assert_eq!(message.require::<de::Currency>(), Ok(Currency::EUR));
        assert_eq!(message.require::<de::PinBlock>().unwrap().expose(), &[0xA5; 8]);
        assert_eq!(message.require::<de::Icc>().unwrap().bytes(), &[0x9F, 0x36, 0x02, 0x00, 0x2A]);
        let mut again = Builder::new(&dialect, message.mti());
        assert_eq!(again.copy_all(&message).encode().unwrap(), bytes, "{name} turns back");
    }
}

#[test]
fn crossing_dialects_loses_nothing() {
    let (packed, text) = (shipped("iso87-binary"), shipped("iso87-ascii"));
    let from = Message::decode(&packed, purchase(&packed).encode().unwrap()).unwrap();
    let crossed = Builder::new(&text, from.mti()).copy_all(&from).encode().unwrap();
    assert_eq!(crossed, purchase(&text).encode().unwrap());
}

#[test]
fn every_proper_prefix_is_an_error_that_names_its_place() {
    for name in ["iso87-ascii", "iso87-binary"] {
        let dialect = shipped(name);
        let bytes = purchase(&dialect).encode().unwrap();
        for cut in 0..bytes.len() {
            let error = Message::decode(&dialect, bytes.slice(..cut)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Truncated, "{name} cut at {cut}: {error}");
            assert!(error.offset <= cut, "{name} cut at {cut}: {error}");
        }
    }
}

#[test]
fn an_error_says_what_was_expected_and_never_what_was_there() {
    let dialect = shipped("iso87-ascii");
    let mut bytes = purchase(&dialect).encode().unwrap().to_vec();
    let at = bytes.len() - 3;
    bytes.truncate(at);
    let error: DecodeError = Message::decode(&dialect, bytes.into()).unwrap_err();
    assert_eq!(error.to_string(), "DE55 at byte 170: truncated (expected 10, found 7)");
}

#[test]
fn what_a_message_shows_of_itself_is_no_card_data() {
    let dialect = shipped("iso87-ascii");
    let message = Message::decode(&dialect, purchase(&dialect).encode().unwrap()).unwrap();
    let shown = format!("{message:?}");
    assert!(shown.contains("400012*********2123") && !shown.contains("4000120000000002"), "{shown}");
    assert!(!shown.contains("A5A5") && !shown.contains("3012201"), "{shown}");
}

#[test]
fn free_text_shows_no_card_number_and_commands_no_terminal() {
    let dialect = shipped("iso87-ascii");
    let mut builder = purchase(&dialect);
    builder.put::<de::Invoice>(Opaque::text("\x1b[2Jfor 4000120000000008"));
    let message = Message::decode(&dialect, builder.encode().unwrap()).unwrap();
    let shown = codecs::describe::explain(&message, codecs::describe::Style::Plain);
    assert!(shown.contains(".[2Jfor 400012******0008") && !shown.contains('\x1b'), "{shown}");
}

#[test]
fn a_code_covers_all_before_it() {
    for name in ["iso87-ascii", "iso87-binary"] {
        let dialect = shipped(name);
        let mut bytes = purchase(&dialect).reserve_mac().encode().unwrap().to_vec();
        let covered = mac::covered_of_encoded(&bytes, &dialect).to_vec();
        mac::set(&mut bytes, &dialect, Mac([1, 2, 3, 4, 5, 6, 7, 0xF8]));
        let message = Message::decode(&dialect, bytes.into()).unwrap();
        let (again, code) = mac::covered(&message).unwrap().unwrap();
        assert_eq!((again, code), (&covered[..], Mac([1, 2, 3, 4, 5, 6, 7, 0xF8])), "{name}");
    }
}

#[test]
fn a_mistaken_dialect_is_refused_with_its_key() {
    let refused = |text: &str| {
        Dialect::from_toml("mine", text, &|base| panic!("{base} is not asked for")).unwrap_err().to_string()
    };
    assert_eq!(refused("version = \"1988\""), "mine: version: \"1988\" is none of 1987, 1993, 2003");
    assert_eq!(
        refused("version = \"1987\"\n[fields.2]\nlen_type = \"llvarr\""),
        "mine: fields.2.len_type: \"llvarr\" is none of fixed, lvar, llvar, lllvar, llllvar, lllllvar, llllllvar"
    );
    assert!(refused("version = \"1987\"\nbitmpa = \"bin\"").contains("bitmpa"));
}

#[test]
fn every_dialect_file_is_built_into_the_programs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    files.sort();
    let mut shipped: Vec<&str> = dialect::SHIPPED.iter().map(|(name, _)| *name).collect();
    shipped.sort_unstable();
    assert_eq!(files, shipped);
}
