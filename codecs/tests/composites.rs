//! Composite elements: every form is cut into its parts, the parts are joined to the same content, and each fault is
//! named with its path.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use codecs::composite::{CutError, Inner, PathStep};
use codecs::encoding::{from_hex, to_hex};
use codecs::{Builder, Dialect, Message, Mti, dialect};
use proptest::prelude::*;
use std::sync::Arc;

/// A dialect with the forms that no shipped one has, besides those of the standard.
const FORMS: &str = r#"
extends = "iso87-ascii-raw"

[fields.46]
inner = "tag3-len3"

[fields.47]
inner = "len2-tag2"

[fields.48]
format = "b"
inner = "bin-tag2-len1"

[fields.60]
inner = "len3-tag2"

[fields.61]
format = "b"
inner = "datasets"

[fields.61.sets.71]
bits = 16
fields.2 = { format = "n", enc = "bcd", len_type = "fixed", max_len = 3 }
fields.9 = { format = "ans", len_type = "llvar", len_enc = "bin", max_len = 40 }

[fields.62]
inner = "positions"
positions = [["type", 2], ["batch", 6], ["network", 3]]
"#;

fn made(text: &str) -> Arc<Dialect> {
    let source = |base: &str| dialect::shipped_text(base).map(Into::into);
    Arc::new(Dialect::from_toml("made", text, &source).unwrap_or_else(|e| panic!("{e}")))
}

fn of(name: &str) -> Arc<Dialect> {
    if name == "made" { made(FORMS) } else { dialect::shipped(name).unwrap() }
}

/// A dialect, an element, its content – bytes in hex after `x:`, otherwise text – and its parts, inner parts under
/// their path.
type Case = (&'static str, u8, &'static str, &'static [(&'static str, &'static str)]);

const CASES: &[Case] = &[
    // order, repetition and unknown tags are preserved
    (
        "iso87-ascii",
        55,
        "x:9F3602002ADF81050112820219809F360200FF",
        &[("/9F36", "x:002A"), ("/DF8105", "x:12"), ("/82", "x:1980"), ("/9F36", "x:00FF")],
    ),
    ("iso87-ascii", 48, "920312361011", &[("/92", "123"), ("/61", "1")]),
    (
        "iso87-ascii",
        54,
        "0040978D0000000005000001978C000000012345",
        &[(".1", "0040978D000000000500"), (".2", "0001978C000000012345")],
    ),
    (
        "iso87-ascii",
        90,
        "020000000711201015300000051009900000000000",
        &[(".1", "0200"), (".2", "000007"), (".3", "1120101530"), (".4", "00000510099"), (".5", "00000000000")],
    ),
    (
        "iso87-ascii",
        95,
        "000000001100000000001100C00000000C00000000",
        &[(".1", "000000001100"), (".2", "000000001100"), (".3", "C00000000"), (".4", "C00000000")],
    ),
    (
        "iso93-ascii",
        56,
        "110000000726112010153006510099",
        &[(".1", "1100"), (".2", "000007"), (".3", "261120101530"), (".4", "510099")],
    ),
    ("iso93-ascii", 30, "000000020000000000019999", &[(".1", "000000020000"), (".2", "000000019999")]),
    ("ipm", 48, "0122001T0023003CT60122001P", &[("/0122", "T"), ("/0023", "CT6"), ("/0122", "P")]),
    ("iso2003-ascii", 54, "00409782D000000000500", &[(".1", "00409782D000000000500")]),
    (
        "iso2003-ascii",
        56,
        "21000000000000072026112010153006510099",
        &[(".1", "2100"), (".2", "000000000007"), (".3", "20261120101530"), (".4", "510099")],
    ),
    (
        "iso2003-ascii",
        55,
        "x:0100099F3602002A8A023030",
        &[("/01", "x:9F3602002A8A023030"), ("/01/9F36", "x:002A"), ("/01/8A", "x:3030")],
    ),
    (
        "iso2003-ascii",
        30,
        "97820000000200009782000000019999",
        &[(".1", "9782000000020000"), (".2", "9782000000019999")],
    ),
    (
        "base24-pos",
        63,
        "& 0000300044! 0400008 Y       ! B400004 0510",
        &[("/&", "0000300044"), ("/04", "Y       "), ("/B4", "0510")],
    ),
    (
        "base24-pos",
        90,
        "0200000007      11201015300011200123456789",
        &[
            (".1", "0200"),
            (".2", "000007      "),
            (".3", "1120"),
            (".4", "10153000"),
            (".5", "1120"),
            (".6", "0123456789"),
        ],
    ),
    (
        "visa-like",
        55,
        "x:0100099F3602002A8A023030",
        &[("/01", "x:9F3602002A8A023030"), ("/01/9F36", "x:002A"), ("/01/8A", "x:3030")],
    ),
    (
        "visa-like",
        62,
        "x:C000100000000000E801234567890123450102030405",
        &[(".0", "x:C000100000000000"), (".1", "Y"), (".2", "123456789012345"), (".20", "x:0102030405")],
    ),
    ("visa-like", 63, "x:8000000002", &[(".0", "x:800000"), (".1", "0002")]),
    (
        "postilion-style",
        127,
        "x:4014100000000000303341424331334252414E43482044455649434553504F4E534F52313230323631313230",
        &[
            (".0", "x:4014100000000000"),
            (".2", "ABC"),
            (".12", "BRANCH DEVICE"),
            (".14", "SPONSOR1"),
            (".20", "20261120"),
        ],
    ),
    ("made", 46, "001003ABC0020000010011", &[("/001", "ABC"), ("/002", ""), ("/001", "1")]),
    ("made", 47, "0441AB0242", &[("/41", "AB"), ("/42", "")]),
    ("made", 48, "x:DF0102AABB000100DF0101CC", &[("/DF01", "x:AABB"), ("/01", "x:"), ("/DF01", "x:CC")]),
    ("made", 60, "00541ABC00242", &[("/41", "ABC"), ("/42", "")]),
    (
        "made",
        61,
        // a declared dataset of elements, an undeclared one, and one of tags
        "x:7100074080097802414299000211220100039C0100",
        &[
            ("/71", "x:40800978024142"),
            ("/71.0", "x:4080"),
            ("/71.2", "978"),
            ("/71.9", "AB"),
            ("/99", "x:1122"),
            ("/01", "x:9C0100"),
            ("/01/9C", "x:00"),
        ],
    ),
    ("made", 62, "22000017000", &[(".1", "22"), (".2", "000017"), (".3", "000")]),
];

fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("x:") {
        Some(hex) => from_hex(hex).unwrap(),
        None => text.as_bytes().to_vec(),
    }
}

/// Path and value of every part, at any depth.
fn flat(inner: &Inner, content: &[u8], path: &str, found: &mut Vec<(String, Vec<u8>)>) -> Result<(), CutError> {
    for part in inner.parts(content) {
        let part = part?;
        let path = format!("{path}{}", part.step);
        found.push((path.clone(), part.value.content().into_owned()));
        if let Some(below) = part.inner {
            flat(below, &part.value.content(), &path, found)?;
        }
    }
    Ok(())
}

#[test]
fn every_form_is_cut_into_its_parts() {
    for (name, element, content, parts) in CASES.iter() {
        let dialect = of(name);
        let inner = dialect.inner(*element).unwrap_or_else(|| panic!("{name} DE{element}"));
        let mut found = Vec::new();
        flat(inner, &bytes(content), "", &mut found).unwrap_or_else(|e| panic!("{name} DE{element}: {e}"));
        let wanted: Vec<_> = parts.iter().map(|(path, value)| ((*path).to_owned(), bytes(value))).collect();
        assert_eq!(found, wanted, "{name} DE{element}");
        assert_eq!(inner.check(&bytes(content)), Ok(()));
    }
}

#[test]
fn parts_are_the_content_again() {
    for (name, element, content, _) in CASES.iter() {
        let dialect = of(name);
        let inner = dialect.inner(*element).unwrap();
        let content = bytes(content);
        let parts: Vec<_> = inner.parts(&content).collect::<Result<_, _>>().unwrap();
        let raw: Vec<u8> = parts.iter().flat_map(|part| part.raw).copied().collect();
        assert_eq!(raw, content, "{name} DE{element}: the bytes of the parts in a row");
        let values: Vec<(PathStep, Vec<u8>)> = parts.iter().map(|p| (p.step, p.value.content().into_owned())).collect();
        let borrowed: Vec<(PathStep, &[u8])> = values.iter().map(|(step, value)| (*step, &value[..])).collect();
        assert_eq!(to_hex(&inner.join(&borrowed).unwrap()), to_hex(&content), "{name} DE{element}: written again");
    }
}

#[test]
fn a_cut_content_is_an_error_or_has_fewer_parts() {
    for (name, element, content, _) in CASES.iter() {
        let dialect = of(name);
        let inner = dialect.inner(*element).unwrap();
        let content = bytes(content);
        let mut whole = Vec::new();
        flat(inner, &content, "", &mut whole).unwrap();
        for cut in 0..content.len() {
            let mut found = Vec::new();
            match flat(inner, &content[..cut], "", &mut found) {
                Ok(()) => assert!(found.len() < whole.len(), "{name} DE{element} cut at {cut}"),
                Err(fault) => assert!(fault.offset <= cut, "{name} DE{element} cut at {cut}: {fault}"),
            }
        }
    }
}

/// Content that does not have its declared form.
#[test]
fn a_fault_names_the_way_the_byte_and_the_sizes() {
    for (name, element, content, fault) in [
        ("iso87-ascii", 55, "x:820219809F26081122", "DE55/9F26 at byte 31: bad-tlv (expected 8, found 2)"),
        ("iso87-ascii", 55, "x:820219809F26", "DE55/9F26 at byte 31: bad-tlv"),
        ("iso87-ascii", 48, "6101192031", "DE48/92 at byte 32: truncated (expected 3, found 1)"),
        ("iso87-ascii", 54, "0040978D00000000050", "DE54.1 at byte 23: truncated (expected 20, found 19)"),
        ("iso93-ascii", 56, "110000000726112010153012510099", "DE56.4 at byte 38: truncated (expected 12, found 6)"),
        ("base24-pos", 63, "& 0000200026! B400004 051", "DE63/& at byte 42: bad-length (expected 26, found 25)"),
        ("visa-like", 55, "x:0100059F3603002A", "DE55/01/9F36 at byte 14: bad-tlv (expected 3, found 2)"),
        ("visa-like", 62, "x:0400000000000000", "DE62.6 at byte 19: no-rule"),
        ("visa-like", 63, "x:80000000", "DE63.1 at byte 14: truncated (expected 2, found 1)"),
        (
            "postilion-style",
            127,
            "x:400000000000000039395A5A",
            "DE127.2 at byte 34: length-over-max (expected 32, found 99)",
        ),
        (
            "postilion-style",
            127,
            "x:00000080000000003030323234303030303030303030303030303030303030303030303030",
            "DE127.25.2 at byte 54: truncated (expected 12, found 6)",
        ),
    ] {
        let dialect = of(name);
        let message = Builder::new(&dialect, Mti::of(b"0200")).put_content(element, &bytes(content)).encode();
        let message = Message::decode(&dialect, message.unwrap_or_else(|e| panic!("{name}: {e}"))).unwrap();
        assert_eq!(message.check_parts().unwrap_err().to_string(), fault, "{name}");
    }
}

#[test]
fn chip_data_of_postilion_is_elements_or_xml() {
    let dialect = of("postilion-style");
    let inner = dialect.inner(127).unwrap();
    let content = |chip: &str| {
        [&from_hex("0000008000000000").unwrap()[..], format!("{:04}", chip.len()).as_bytes(), chip.as_bytes()].concat()
    };
    // bits 2, 4, 6 and 12
    let start = ["5410000000000000", "000000005000", "14"].concat();
    let fault = inner.check(&content(&start)).unwrap_err();
    assert_eq!(fault.to_string(), "truncated in .25.4 at byte 42 (expected 14, found 0)");
    let whole = content(&[&start, "A0000000031010", "0128", "61F379D43D5AEEBC"].concat());
    let mut found = Vec::new();
    flat(inner, &whole, "", &mut found).unwrap();
    let shown: Vec<String> =
        found[3..].iter().map(|(path, v)| format!("{path} {}", String::from_utf8_lossy(v))).collect();
    assert_eq!(shown, [".25.2 000000005000", ".25.4 A0000000031010", ".25.6 0128", ".25.12 61F379D43D5AEEBC"]);
    let xml = content("<?xml version=\"1.0\"?><IccData></IccData>");
    let mut found = Vec::new();
    flat(inner, &xml, "", &mut found).unwrap();
    assert_eq!(found.len(), 2, "bitmap and 127.25, which stays whole");
}

#[test]
fn parts_that_do_not_fit_are_not_written() {
    let text = |tag: &[u8]| PathStep::text(tag).unwrap();
    for (name, element, parts) in [
        ("iso87-ascii", 48, vec![(text(b"9"), &b"123"[..])]),
        ("iso87-ascii", 48, vec![(text(b"92"), &[b'1'; 100][..])]),
        ("iso87-ascii", 48, vec![(PathStep::Tag(0x92), b"1")]),
        ("iso87-ascii", 55, vec![(text(b"92"), b"1")]),
        ("iso87-ascii", 54, vec![(PathStep::Number(1), b"0040978D00000000050")]),
        ("iso87-ascii", 90, vec![(PathStep::Number(1), b"0200")]),
        ("iso87-ascii", 90, vec![(PathStep::Number(2), b"0200")]),
        ("base24-pos", 63, vec![(text(b"B"), b"0510")]),
        // a bitmap has one order, and each element once
        ("visa-like", 63, vec![(PathStep::Number(3), b"0001"), (PathStep::Number(1), b"0002")]),
        ("visa-like", 63, vec![(PathStep::Number(1), b"0001"), (PathStep::Number(1), b"0002")]),
        ("visa-like", 63, vec![(PathStep::Number(1), b"002")]),
        ("visa-like", 63, vec![(PathStep::Number(2), b"0002")]),
        ("visa-like", 55, vec![(PathStep::Tag(0x101), b"")]),
    ] {
        let dialect = of(name);
        assert!(dialect.inner(element).unwrap().join(&parts).is_err(), "{name} DE{element}: {parts:?}");
    }
}

/// Every inner form.
fn forms() -> Vec<(String, Arc<Dialect>, u8)> {
    let named = dialect::SHIPPED.iter().map(|(name, _)| *name).chain(["made"]);
    named
        .flat_map(|name| {
            let dialect = of(name);
            let elements: Vec<u8> = (2..=192).filter(|n| dialect.inner(*n).is_some()).collect();
            elements.into_iter().map(move |n| (name.to_owned(), Arc::clone(&dialect), n)).collect::<Vec<_>>()
        })
        .collect()
}

proptest! {
    #[test]
    fn noise_is_parts_or_an_error(
        noise in proptest::collection::vec(prop_oneof![any::<u8>(), b'0'..=b'9', Just(0u8), Just(b'&'), Just(b' ')], 0..120),
    ) {
        for (name, dialect, element) in forms() {
            let inner = dialect.inner(element).unwrap();
            let mut parts = inner.parts(&noise);
            let mut raw = 0;
            for part in parts.by_ref() {
                match part {
                    Ok(part) => {
                        prop_assert!(part.at + part.value.raw().len() <= noise.len(), "{name} DE{element}");
                        raw += part.raw.len();
                    }
                    Err(fault) => prop_assert!(fault.offset <= noise.len(), "{name} DE{element}: {fault}"),
                }
            }
            prop_assert!(raw <= noise.len(), "{name} DE{element}: no byte is in two parts");
            prop_assert!(parts.next().is_none());
            let _ = inner.check(&noise);
        }
    }
}
