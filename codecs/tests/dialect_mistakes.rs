//! A dialect with a mistake is refused, with the file, the key and the reason.

use codecs::Dialect;
use codecs::dialect::{self, DialectError, Keys};

fn read(text: &str) -> Result<Dialect, DialectError> {
    let source = |base: &str| match base {
        "broken" => Ok("version = \"1987\"\nbimtap = \"bin\"".to_owned()),
        "round" => Ok("extends = \"mine\"".to_owned()),
        name => dialect::shipped_text(name).map(Into::into),
    };
    Dialect::from_toml("mine", text, &source)
}

fn refused(text: &str) -> String {
    read(text).err().unwrap_or_else(|| panic!("taken: {text}")).to_string()
}

const BASE: &str = "version = \"1987\"\n";

#[test]
fn a_word_that_is_none_of_those_there_are() {
    for (text, said) in [
        ("version = \"1988\"", "version: \"1988\" is none of 1987, 1993, 2003"),
        ("n = \"ascii\"", "version: missing, and no dialect is extended that has it"),
        ("version = \"1987\"\nn = \"packed\"", "n: \"packed\" is none of ascii, ebcdic, bcd, raw, hexascii, hexebcdic"),
        ("version = \"1987\"\nmti = \"hexascii\"", "mti: \"hexascii\" is none of ascii, ebcdic, bcd"),
        ("version = \"1987\"\nbitmap = \"raw\"", "bitmap: \"raw\" is none of bin, hexascii, hexebcdic"),
        ("version = \"1987\"\nlen = \"binary\"", "len: \"binary\" is none of ascii, bcd, ebcdic, bin, hexascii"),
        ("version = \"1987\"\nlen_unit = \"nibbles\"", "len_unit: \"nibbles\" is none of digits, bytes"),
        ("version = \"1987\"\npad = \"leftF\"", "pad: \"leftF\" is none of left0, right0, rightF"),
        ("version = \"1987\"\ntertiary = \"de65\"", "tertiary: \"de65\" is none of after-secondary, chained, de127"),
        ("version = \"1987\"\nebcdic_page = \"cp273\"", "ebcdic_page: \"cp273\" is none of cp037, cp500, cp1047"),
        ("version = \"1987\"\nheader = \"visa2\"", "header: \"visa2\" is neither hex nor one of base24, tpdu, visa"),
        (
            "version = \"1987\"\n[fields.2]\nlen_type = \"llvarr\"",
            "fields.2.len_type: \"llvarr\" is none of fixed, lvar, llvar, lllvar, llllvar, lllllvar, llllllvar",
        ),
        (
            "version = \"1987\"\n[fields.41]\nformat = \"x\"",
            "fields.41.format: \"x\" is none of n, x+n, a, an, ans, anp, ns, as, s, b, z",
        ),
        ("version = \"1987\"\n[fields.41]\nshow = \"no\"", "fields.41.show: \"no\" is none of clear, masked, hidden"),
    ] {
        assert_eq!(refused(text), format!("mine: {said}"));
    }
    let unknown = refused(&format!("{BASE}[fields.48]\ninner = \"tlv\""));
    assert!(unknown.starts_with("mine: fields.48.inner: \"tlv\" is none of none, ber-tlv,"), "{unknown}");
}

#[test]
fn a_key_that_does_not_exist_with_the_nearest_that_does() {
    for (text, said) in [
        ("bimtap = \"bin\"", "bimtap: no such key; the nearest is \"bitmap\""),
        ("ebcdic_pages = \"cp500\"", "ebcdic_pages: no such key; the nearest is \"ebcdic_page\""),
        ("[field.2]\nmax_len = 2", "field: no such key; the nearest is \"fields\""),
        ("[fields.2]\nmaxlen = 2", "fields.2.maxlen: no such key; the nearest is \"max_len\""),
        ("[fields.2]\nlen_encoding = \"bcd\"", "fields.2.len_encoding: no such key; the nearest is \"len_enc\""),
        (
            "[fields.48]\ninner = \"tag2-len2\"\ntags.61 = { name = \"x\", shown = \"clear\" }",
            "fields.48.tags.61.shown: no such key; the nearest is \"show\"",
        ),
        (
            "[fields.127]\nformat = \"b\"\ninner = \"bitmap\"\nnested.fields.2 = { formt = \"n\" }",
            "fields.127.nested.fields.2.formt: no such key; the nearest is \"format\"",
        ),
        (
            "[fields.127]\nformat = \"b\"\ninner = \"bitmap\"\nnested.qqqqqq = 1",
            "fields.127.nested.qqqqqq: no such key; there are n, ch, z, b, bitmap, len, len_unit, pad, pad_var, bits, fields",
        ),
    ] {
        assert_eq!(refused(&format!("{BASE}{text}")), format!("mine: {said}"));
    }
    // the mistake is in the extended file
    assert_eq!(refused("extends = \"broken\""), "broken: bimtap: no such key; the nearest is \"bitmap\"");
}

#[test]
fn a_value_of_another_kind() {
    for (text, said) in [
        ("bitmap = 1", "bitmap: a text is due, not integer"),
        ("fields = \"x\"", "fields: a table is due, not string"),
        ("[fields]\n2 = 19", "fields.2: a table is due, not integer"),
        ("[fields.2]\nmax_len = \"19\"", "fields.2.max_len: a number is due, not string"),
        ("[fields.2]\nmax_len = -1", "fields.2.max_len: -1 is negative"),
        ("[fields.1]\nmax_len = 8", "fields.1: no element 2–192"),
        ("[fields.193]\nmax_len = 8", "fields.193: no element 2–192"),
        ("[fields.pan]\nmax_len = 8", "fields.pan: no element 2–192"),
        ("[fields.2]\nmax_len = 0", "fields.2.max_len: 0 is not within 1–999999"),
        (
            "[fields.60]\ninner = \"positions\"\npositions = [\"type\", 2]",
            "fields.60.positions: no list of pairs of a name and a length, as in [[\"sequence\", 12], …]",
        ),
        (
            "[fields.48]\ninner = \"pds\"\ntags.0105 = 1",
            "fields.48.tags.0105: neither a name nor a table of name and show",
        ),
    ] {
        assert_eq!(refused(&format!("{BASE}{text}")), format!("mine: {said}"));
    }
    assert_eq!(refused("version = \"1987\"\nbitmap = \"bin"), "mine: line 2: invalid basic string, expected `\"`");
    assert_eq!(refused("extends = \"mine\""), "mine: extends: mine extends itself");
    assert_eq!(refused("extends = \"round\""), "mine: extends: mine extends itself");
    assert!(refused("extends = \"nowhere\"").starts_with("nowhere: no such dialect; shipped are "));
}

#[test]
fn choices_that_exclude_each_other() {
    for (text, said) in [
        ("ch = \"bcd\"", "ch: bcd does not suit format ans: a nibble holds no letter"),
        ("n = \"raw\"", "n: raw does not suit format n: only bytes are raw or hex"),
        ("b = \"ascii\"", "b: ascii does not suit format b: bytes are raw, hexascii or hexebcdic"),
        ("b = \"bcd\"", "b: bcd does not suit format b: bytes are no digits"),
        ("[fields.41]\nenc = \"bcd\"", "fields.41.enc: bcd does not suit format ans: a nibble holds no letter"),
        (
            "[fields.52]\nenc = \"ascii\"",
            "fields.52.enc: ascii does not suit format b: bytes are raw, hexascii or hexebcdic",
        ),
        ("[fields.41]\npad = \"left0\"", "fields.41.pad: only packed digits have a filler, and this is ascii"),
        ("[fields.3]\npad = \"rightF\"", "fields.3.pad: only packed digits have a filler, and this is ascii"),
        ("[fields.3]\nlen_enc = \"bcd\"", "fields.3.len_enc: a fixed length has no prefix"),
        ("[fields.3]\nenc = \"bcd\"\nlen_unit = \"bytes\"", "fields.3.len_unit: a fixed length has no prefix"),
        ("[fields.44]\nlen_unit = \"digits\"", "fields.44.len_unit: ascii has no digits to count but its characters"),
        (
            "[fields.48]\nlen_type = \"llvar\"",
            "fields.48.len_type: the ascii prefix of llvar counts to 99, max_len needs 999",
        ),
        (
            "[fields.48]\nlen_type = \"llvar\"\nlen_enc = \"bin\"",
            "fields.48.len_type: the bin prefix of llvar counts to 255, max_len needs 999",
        ),
        (
            "[fields.55]\nformat = \"b\"\nenc = \"hexascii\"\nlen_unit = \"digits\"\nmax_len = 500",
            "fields.55.len_type: the ascii prefix of lllvar counts to 999, max_len needs 1000",
        ),
        ("[fields.2]\nshow = \"clear\"", "fields.2.show: DE2 is masked in every dialect, and cannot be clear"),
        ("[fields.35]\nshow = \"masked\"", "fields.35.show: DE35 is hidden in every dialect, and cannot be masked"),
    ] {
        assert_eq!(refused(&format!("{BASE}{text}")), format!("mine: {said}"));
    }
}

#[test]
fn bitmaps_that_overlap() {
    for (text, said) in [
        ("[fields.65]\nmax_len = 8", "fields.65: bit 65 only ever announces a third bitmap: there is no such element"),
        (
            "[fields.130]\nformat = \"n\"\nlen_type = \"fixed\"\nmax_len = 5",
            "fields.130: an element over 128 needs a third bitmap: the key tertiary is missing",
        ),
        ("bitmap3 = \"bin\"", "bitmap3: there is no third bitmap: the key tertiary is missing"),
        (
            "tertiary = \"chained\"\n[fields.129]\nformat = \"n\"\nlen_type = \"fixed\"\nmax_len = 5",
            "fields.129: in a chain of bitmaps bit 129 would announce a fourth: it is no element",
        ),
        (
            "tertiary = \"de127\"\n[fields.127]\nformat = \"ans\"",
            "fields.127: tertiary = \"de127\" has the third bitmap there: it cannot be an element as well",
        ),
        (
            "tertiary = \"after-secondary\"\n[fields.130]\nformat = \"n\"\nlen_type = \"fixed\"",
            "fields.130.max_len: missing, and the standard's table has no such row",
        ),
    ] {
        assert_eq!(refused(&format!("{BASE}{text}")), format!("mine: {said}"));
    }
    // the row of the bitmap in DE127 may be given, if it is right
    let row = "tertiary = \"de127\"\n[fields.127]\nformat = \"b\"\nlen_type = \"fixed\"\nmax_len = 8";
    assert!(read(&format!("{BASE}{row}")).is_ok());
}

#[test]
fn inner_forms_that_cannot_be() {
    let bitmap = "[fields.127]\nformat = \"b\"\ninner = \"bitmap\"\n";
    for (text, said) in [
        ("[fields.48]\ninner = \"ber-tlv\"", "fields.48.inner: \"ber-tlv\" does not suit format ans"),
        ("[fields.3]\ninner = \"tag2-len2\"", "fields.3.inner: \"tag2-len2\" does not suit format n"),
        ("[fields.48]\ninner = \"bin-tag2-len1\"", "fields.48.inner: \"bin-tag2-len1\" does not suit format ans"),
        ("[fields.48]\ninner = \"bitmap\"", "fields.48.nested: missing, and \"bitmap\" needs it"),
        ("[fields.48]\ninner = \"positions\"", "fields.48.positions: missing, and inner names them"),
        (
            "[fields.48]\ninner = \"pds\"\npositions = [[\"a\", 1]]",
            "fields.48.positions: only inner = positions has it, and this is \"pds\"",
        ),
        ("[fields.48.tags]\n01 = \"x\"", "fields.48.tags.01: the key inner is missing"),
        ("[fields.48]\ninner = \"pds\"\ntags.01 = \"x\"", "fields.48.tags.01: no tag of this inner form"),
        (&format!("{bitmap}nested.bits = 12"), "fields.127.nested.bits: 12 is no multiple of 8 up to 64"),
        (
            &format!(
                "{bitmap}nested.bits = 16\nnested.fields.17 = {{ format = \"n\", len_type = \"fixed\", max_len = 1 }}"
            ),
            "fields.127.nested.fields.17: a bitmap of 16 bits announces no element 17",
        ),
        (
            &format!("{bitmap}nested.fields.2 = {{ format = \"n\", len_type = \"fixed\" }}"),
            "fields.127.nested.fields.2.max_len: missing, and the standard's table has no such row",
        ),
        (
            &format!("{bitmap}nested.fields.2 = {{ format = \"ans\", len_type = \"lvar\", max_len = 10 }}"),
            "fields.127.nested.fields.2.len_type: the ascii prefix of lvar counts to 9, max_len needs 10",
        ),
        ("[fields.55]\nformat = \"b\"\ninner = \"datasets\"\nsets.G1.bits = 16", "fields.55.sets.G1: no dataset 00–FF"),
    ] {
        assert_eq!(refused(&format!("{BASE}{text}")), format!("mine: {said}"));
    }
}

/// What a file inherits need not suit an element that the file redefines.
#[test]
fn what_is_inherited_need_not_suit() {
    for text in [
        // there DE35 ends in the filler F
        "extends = \"iso87-binary\"\nz = \"ascii\"",
        // there DE48 has tags in characters
        "extends = \"iso87-ascii\"\n[fields.48]\nformat = \"b\"",
        "extends = \"postilion-style\"\n[fields.127]\ninner = \"none\"",
    ] {
        read(text).unwrap_or_else(|e| panic!("{e}"));
    }
}

#[test]
fn keys_may_come_as_json_too() {
    let keys: Keys =
        serde_json::from_str(r#"{"extends": "iso87-ascii", "fields": {"41": {"max_len": 16}}}"#).expect("an object");
    let source = |base: &str| dialect::shipped_text(base).map(Into::into);
    let dialect = Dialect::from_keys("inline", &keys, &source).expect("well formed");
    assert_eq!(dialect.rule(41).map(|rule| rule.max), Some(16));
    assert_eq!(dialect.rule(42).map(|rule| rule.max), Some(15));
}
