//! The shipped dialects: a message has the same meaning in each, and is encoded to the same bytes again.

#![expect(clippy::print_stdout, reason = "differences are for people to see")]
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

/// Printed with `--nocapture`; the list is made with `iso8583 dialect-show --difference`.
#[test]
#[expect(clippy::disallowed_methods, reason = "the expected text is a file")]
fn each_dialect_differs_from_its_base_as_written_down() {
    let mut text = String::new();
    for (name, _) in dialect::SHIPPED {
        let dialect = dialect::shipped(name).unwrap();
        let base = match &dialect.extends {
            Some(base) => dialect::shipped(base).unwrap(),
            None => Arc::new(Dialect::plain(dialect.version)),
        };
        text += &format!("{name} from {}\n", base.name);
        dialect.difference(&base).iter().for_each(|change| text += &format!("  {change}\n"));
    }
    println!("{text}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects/differences.txt");
    let expected = std::fs::read_to_string(&path).unwrap();
    let line = text.lines().zip(expected.lines()).find(|(found, expected)| found != expected);
    assert_eq!(line, None, "a dialect changed: if that was meant, put what this test prints into {}", path.display());
    assert_eq!(text, expected);
}

#[test]
fn a_dialect_differs_in_nothing_from_itself() {
    for (name, _) in dialect::SHIPPED {
        let dialect = dialect::shipped(name).unwrap();
        assert_eq!(dialect.difference(&dialect), [], "{name}");
    }
}

/// The documentation contains the output of `iso8583 dialects --markdown` for the shipped dialects.
#[test]
#[expect(clippy::disallowed_methods, reason = "the document is a file")]
fn the_documented_tables_are_those_of_the_files() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialects.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let start = text.find("<!-- iso8583 dialects --markdown -->\n").unwrap();
    let block = text[start..].split_once('\n').unwrap().1.split("<!-- end -->").next().unwrap();
    let shipped: Vec<_> = dialect::SHIPPED.iter().map(|(name, _)| dialect::shipped(name).unwrap()).collect();
    assert_eq!(block, codecs::describe::markdown(&shipped), "run: iso8583 dialects --markdown");
}

/// The sender's part of a named header is returned in the answer, and in a copy.
#[test]
fn a_header_that_the_sender_fills_in_comes_back() {
    let dialect = shipped("base24-pos");
    let written = Builder::new(&dialect, Mti::of(b"0800")).put_content(70, b"301").encode().unwrap();
    assert!(written.starts_with(b"ISO0200000000800"));
    let mut received = written.to_vec();
    received[..12].copy_from_slice(b"ISO006000060");
    let message = Message::decode(&dialect, received.clone().into()).unwrap();
    assert_eq!(message.header(), b"ISO006000060");
    assert_eq!(Builder::new(&dialect, message.mti()).copy_all(&message).encode().unwrap(), received);
    let answer = Builder::answer_to(&message).put_content(39, b"00").encode().unwrap();
    assert!(answer.starts_with(b"ISO0060000600810"));
    let mut restarted = Builder::answer_to(&message);
    restarted.restart(Mti::of(b"0800"));
    assert!(restarted.encode().unwrap().starts_with(b"ISO0200000000800"), "a builder used anew forgets it");
    for wrong in [&b"ISX006000060"[..], b"ISO00600006X"] {
        received[..12].copy_from_slice(wrong);
        let fault = Message::decode(&dialect, received.clone().into()).unwrap_err();
        assert_eq!((fault.kind, fault.offset), (ErrorKind::Framing, 0));
    }
}

#[test]
fn lengths_in_hex_digits() {
    let dialect = shipped("iso87-hex");
    let bytes = Builder::new(&dialect, Mti::of(b"0800")).put_content(59, &[b'x'; 300]).encode().unwrap();
    assert_eq!(&bytes[20..23], b"12C");
    let message = Message::decode(&dialect, bytes.clone()).unwrap();
    assert_eq!(message.field(59).unwrap().len(), 300);
    let over = [&bytes[..20], b"3E8", &[b'x'; 1000][..]].concat();
    assert_eq!(
        Message::decode(&dialect, over.into()).unwrap_err().to_string(),
        "DE59 at byte 20: length-over-max (expected 999, found 1000)"
    );
}

/// UnionPay counts digits in some packed elements and bytes in others, and some links count the hex digits of DE55.
#[test]
fn what_a_length_counts_is_a_choice_of_each_element() {
    let source = |base: &str| dialect::shipped_text(base).map(Into::into);
    let read = |text: &str| Arc::new(Dialect::from_toml("mine", text, &source).unwrap());
    let packed = read("extends = \"iso87-binary\"\n[fields.2]\nlen_unit = \"bytes\"\npad = \"rightF\"");
    let mut builder = Builder::new(&packed, Mti::of(b"0200"));
    let bytes = builder.put_content(2, b"400012000000000").put_content(33, b"510099").encode().unwrap();
    assert_eq!(bytes[10..], *b"\x08\x40\x00\x12\x00\x00\x00\x00\x0F\x06\x51\x00\x99");
    let message = Message::decode(&packed, bytes).unwrap();
    assert_eq!(message.field(2).unwrap().chars().collect::<Vec<u8>>(), b"400012000000000");
    // nineteen digits are the limit, so the twentieth nibble is filler whatever its value
    let zero = read("extends = \"iso87-binary\"\n[fields.2]\nlen_unit = \"bytes\"\npad = \"left0\"");
    let longest = b"6799990100000000019";
    let bytes = Builder::new(&zero, Mti::of(b"0200")).put_content(2, longest).encode().unwrap();
    assert_eq!(bytes[10..], *b"\x10\x06\x79\x99\x90\x10\x00\x00\x00\x00\x19");
    let message = Message::decode(&zero, bytes.clone()).unwrap();
    assert_eq!(message.field(2).unwrap().chars().collect::<Vec<u8>>(), longest);
    let twenty = [&bytes[..11], b"\x16", &bytes[12..]].concat();
    assert_eq!(Message::decode(&zero, twenty.into()).unwrap_err().kind, ErrorKind::BadPad);
    let hex = read("extends = \"iso87-ascii\"\n[fields.55]\nlen_unit = \"digits\"");
    let bytes = Builder::new(&hex, Mti::of(b"0200")).put_content(55, &[0x9F, 0x36, 0x02]).encode().unwrap();
    assert_eq!(bytes[20..], *b"0069F3602");
    let message = Message::decode(&hex, bytes.clone()).unwrap();
    assert_eq!(*message.field(55).unwrap().content(), [0x9F, 0x36, 0x02]);
    let odd = [&bytes[..20], b"0059F360"].concat();
    assert_eq!(Message::decode(&hex, odd.into()).unwrap_err().kind, ErrorKind::BadLength);
}

/// Places of the third bitmap: the same two elements in each layout.
#[test]
fn third_bitmaps() {
    let source = |base: &str| dialect::shipped_text(base).map(Into::into);
    let rows = "[fields.130]\nformat = \"n\"\nlen_type = \"fixed\"\nmax_len = 3\n[fields.192]\nformat = \"an\"\nlen_type = \"fixed\"\nmax_len = 1";
    for (layout, wire) in [
        ("after-secondary", "8000000000000000C0000000000000004000000000000001"),
        ("chained", "8000000000000000C0000000000000004000000000000001"),
        ("de127", "800000000000000040000000000000024000000000000001"),
    ] {
        let text = format!("extends = \"iso87-ascii-raw\"\ntertiary = \"{layout}\"\n{rows}");
        let dialect = Arc::new(Dialect::from_toml("mine", &text, &source).unwrap());
        let mut builder = Builder::new(&dialect, Mti::of(b"0800"));
        builder.put_content(66, b"1").put_content(130, b"978").put_content(192, b"x");
        let bytes = builder.encode().unwrap();
        let maps = if layout == "de127" {
            // the third bitmap follows the elements of the second
            [&bytes[4..20], &bytes[21..29]].concat()
        } else {
            bytes[4..28].to_vec()
        };
        assert_eq!(codecs::encoding::to_hex(&maps), wire, "{layout}");
        let message = Message::decode(&dialect, bytes.clone()).unwrap();
        assert_eq!(message.elements().collect::<Vec<_>>(), [66, 130, 192], "{layout}");
        assert_eq!(Builder::new(&dialect, message.mti()).copy_all(&message).encode().unwrap(), bytes);
        for cut in 0..bytes.len() {
            assert!(Message::decode(&dialect, bytes.slice(..cut)).is_err(), "{layout} cut at {cut}");
        }
    }
    let chained =
        Arc::new(Dialect::from_toml("mine", "extends = \"iso87-ascii-raw\"\ntertiary = \"chained\"", &source).unwrap());
    let fourth =
        [&b"0800"[..], &[0x80, 0, 0, 0, 0, 0, 0, 0], &[0x80, 0, 0, 0, 0, 0, 0, 0], &[0x80, 0, 0, 0, 0, 0, 0, 0]]
            .concat();
    assert_eq!(Message::decode(&chained, fourth.into()).unwrap_err().to_string(), "DE129 at byte 28: no-rule");
}
