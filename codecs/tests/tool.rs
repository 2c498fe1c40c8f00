//! The command-line tool: one line out for each line in, and no secret in the output.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn tool(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_iso8583"))
        .args(arguments)
        // any folder will do: the dialects are built in
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn answers(arguments: &[&str], input: &[u8]) -> Vec<Value> {
    let output = tool(arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn answer(arguments: &[&str], request: &Value) -> Value {
    answers(arguments, request.to_string().as_bytes()).remove(0)
}

fn purchase(dialect: &Value) -> Value {
    json!({"id": "a", "dialect": dialect, "mti": "0200", "fields": {
        "2": "4000120000000002", "3": "000000", "4": "000000001999", "11": "000007", "12": "101530", "13": "1120",
        "22": "051", "35": "4000120000000002=30122010000123000", "41": "T0000001", "42": "SWYD00000000001",
        "48": "920312361011", "49": "978", "52": "A5A5A5A5A5A5A5A5", "54": "0057978D000000001999",
        "55": "9F3602002A9F270180570B4000120000000002D3012F"
    }})
}

#[test]
fn what_is_encoded_decodes_to_the_same_fields() {
    for dialect in [json!("iso87-ascii"), json!("switchyard-host"), json!({"extends": "iso87-binary", "ch": "ebcdic"})]
    {
        let request = purchase(&dialect);
        let encoded = answer(&["encode", "--ndjson"], &request);
        let mut decode = json!({"id": 7, "dialect": dialect, "hex": encoded["hex"]});
        let mut expected = request["fields"].clone();
        if dialect.is_object() {
            expected["35"] = "4000120000000002D30122010000123000".into();
        }
        let decoded = answer(&["decode", "--ndjson", "--reveal"], &decode);
        assert_eq!(decoded["fields"], expected, "{dialect}");
        assert_eq!(decoded["id"], 7);

        decode["hex"] = format!("0005{}", encoded["hex"].as_str().unwrap()).into();
        decode["body_offset"] = 2.into();
        assert_eq!(answer(&["decode", "--ndjson", "--reveal"], &decode)["fields"], expected, "offset");
        let framed = json!({"framing": "nac", "hex": encoded["hex"], "header": "6000010000"});
        decode["hex"] = answer(&["frame", "--ndjson"], &framed)["hex"].clone();
        decode["framing"] = "nac".into();
        assert_eq!(answer(&["decode", "--ndjson", "--reveal"], &decode)["fields"], expected, "framed");
    }
}

#[test]
fn every_line_is_answered_whatever_it_holds() {
    let input = b"x\n\n[]\n{\"id\":1}\n\xFF\xFE\n{\"id\":2,\"dialect\":\"none\",\"hex\":\"\"}\n{\"id\":3,\"dialect\":\"iso87-ascii\",\"hex\":\"3\"}\n\
        {\"id\":4,\"dialect\":\"iso87-ascii\",\"hex\":\"30\",\"body_offset\":9}\n{\"id\":5,\"dialect\":{\"nn\":1},\"hex\":\"\"}";
    for verb in [&["decode", "--ndjson"][..], &["encode", "--ndjson"], &["tlv", "--ndjson"], &["unframe", "--ndjson"]] {
        let answers = answers(verb, input);
        assert_eq!(answers.len(), 9, "{verb:?}");
        assert!(answers[..5].iter().all(|a| a["error"]["kind"] == "bad-request"), "{verb:?}");
    }
    let kinds: Vec<_> =
        answers(&["decode", "--ndjson"], input)[5..].iter().map(|a| a["error"]["kind"].clone()).collect();
    assert_eq!(kinds, ["bad-dialect", "bad-hex", "bad-request", "bad-dialect"]);
}

#[test]
fn encoding_refuses_what_the_dialect_cannot_carry() {
    for (fields, kind) in [
        (json!({"3": "00000"}), "bad-length"),
        (json!({"3": "0000000"}), "length-over-max"),
        (json!({"2": "40001200000000021234"}), "length-over-max"),
        (json!({"4": "00000000199X"}), "class"),
        (json!({"41": "T000000\u{e9}"}), "class"),
        (json!({"41": "T000000\u{4e00}"}), "charset"),
        (json!({"52": "A5A"}), "bad-hex"),
        (json!({"65": "1"}), "no-rule"),
        (json!({"193": "1"}), "unknown-element"),
        (json!({"x": "1"}), "unknown-element"),
    ] {
        for dialect in ["iso87-ascii", "iso87-binary"] {
            let request = json!({"dialect": dialect, "mti": "0100", "fields": fields});
            assert_eq!(answer(&["encode", "--ndjson"], &request)["error"]["kind"], kind, "{dialect}: {fields}");
        }
    }
}

#[test]
fn an_error_names_element_and_byte() {
    let encoded = answer(&["encode", "--ndjson"], &purchase(&json!("iso87-ascii")));
    let hex = encoded["hex"].as_str().unwrap();
    let request = json!({"dialect": "iso87-ascii", "hex": hex[..hex.len() - 8]});
    let error = &answer(&["decode", "--ndjson"], &request)["error"];
    assert_eq!((&error["kind"], &error["element"]), (&json!("truncated"), &json!("DE55")));
    assert!(error["offset"].as_u64().unwrap() < hex.len() as u64 / 2);
}

#[test]
fn a_screen_shows_codes_in_words_and_no_secret() {
    let encoded = answer(&["encode", "--ndjson"], &purchase(&json!("iso87-ascii")));
    let hex = encoded["hex"].as_str().unwrap();
    let output = tool(&["explain", "-"], hex.as_bytes());
    let shown = String::from_utf8(output.stdout).unwrap();
    for words in [
        "1987 financial request, from the acquirer",
        "400012******0002",
        "19.99 EUR",
        "chip, PIN entry possible",
        "ARQC, the card asks the issuer",
        "card security code",
        "partial approval",
        "original amount",
    ] {
        assert!(shown.contains(words), "{words} is not in\n{shown}");
    }
    let masked = answer(&["decode", "--ndjson"], &json!({"dialect": "iso87-ascii", "hex": hex})).to_string();
    for secret in ["4000120000000002", "A5A5", "0123000", "123 ", "920312"] {
        assert!(!shown.contains(secret) && !masked.contains(secret), "{secret} is shown");
    }
    let cut = tool(&["explain", &hex[..hex.len() - 2]], b"");
    assert_eq!(cut.status.code(), Some(1), "a message with a fault is shown up to it, and the exit code says so");
    assert!(String::from_utf8(cut.stdout).unwrap().contains("truncated (expected 44, found 43)"));
}

#[test]
fn tags_and_frames() {
    let tags = answer(&["tlv", "--ndjson"], &json!({"hex": "9F0206000000001999820219809F0200"}));
    assert_eq!(tags["tags"], json!([["9F02", "000000001999"], ["82", "1980"], ["9F02", ""]]));
    let broken = answer(&["tlv", "--ndjson"], &json!({"hex": "820219809F26081122"}));
    assert_eq!((&broken["error"]["kind"], &broken["error"]["offset"]), (&json!("bad-tlv"), &json!(4)));
    let stream =
        answer(&["unframe", "--ndjson"], &json!({"framing": "ascii4", "hex": "3030303230310000303030303030303130"}));
    assert_eq!(stream["error"]["kind"], "framing", "bytes that are no length");
    let stream = answer(&["unframe", "--ndjson"], &json!({"framing": "bin2", "hex": "000230310000000139"}));
    assert_eq!((&stream["bodies"], &stream["keepalives"]), (&json!(["3031", "39"]), &json!(1)));
}

#[test]
fn a_dialect_is_shown_as_rows() {
    let output = tool(&["dialect-show", "--json", "iso87-binary"], b"");
    let table: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&table["version"], &table["mti"], &table["bitmap"]), (&json!("1987"), &json!("bcd"), &json!("bin")));
    let row = |number: u8| table["elements"].as_array().unwrap().iter().find(|row| row["number"] == number).unwrap();
    let track = json!({
        "number": 35, "name": row(35)["name"], "format": "z", "content": "bcd", "length": 37, "prefix_digits": 2,
        "prefix": "bcd", "prefix_counts": "digits", "filler": "rightF", "shown": "hidden", "note": row(35)["note"]
    });
    assert_eq!(row(35), &track);
    let pin = json!({
        "number": 52, "name": row(52)["name"], "format": "b", "content": "raw", "length": 8, "shown": "hidden"
    });
    assert_eq!(row(52), &pin, "what is fixed has no prefix, what is not packed has no filler");
    assert_eq!(row(55)["prefix_counts"], "bytes");
}

/// The example of docs/dialects.md: its file and bytes give the output shown there.
#[test]
#[expect(clippy::disallowed_methods, reason = "the document is a file")]
fn the_documented_example_works() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/dialects.md");
    let text = std::fs::read_to_string(docs).unwrap();
    let block = |language: &str| {
        let start = text.find(&format!("```{language}\n")).unwrap() + language.len() + 4;
        text[start..].split("```").next().unwrap()
    };
    let folder = std::env::temp_dir().join(format!("iso8583-docs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("northbank.toml"), block("toml")).unwrap();
    let arguments = ["--dialects", folder.to_str().unwrap(), "explain", "--dialect", "northbank", "-"];
    let output = tool(&arguments, block("hex").as_bytes());
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), block("text"));
}

/// A purchase in a NAC frame, as a terminal sends it.
fn framed_purchase() -> String {
    let encoded = answer(&["encode", "--ndjson"], &purchase_in("iso87-binary"));
    let framed = json!({"framing": "nac", "hex": encoded["hex"], "header": "6000010000"});
    answer(&["frame", "--ndjson"], &framed)["hex"].as_str().unwrap().to_owned()
}

fn purchase_in(dialect: &str) -> Value {
    let mut request = purchase(&json!(dialect));
    request["fields"]["35"] = "4000120000000002D30122010000123000".into();
    request
}

#[test]
fn a_guess_names_framing_and_dialect_with_its_reasons() {
    let hex = framed_purchase();
    let output = tool(&["guess", "-"], hex.as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    for words in [
        "framing nac, dialect iso87-binary",
        "TPDU 6000010000",
        "MTI 0200 in BCD",
        "fit to the last byte",
        "DE12 a time",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    assert!(!text.contains('\x1b'), "no colours where nobody looks");
    assert!(!text.contains("4000120000000002"), "no card number among the reasons");

    let output = tool(&["guess", "--json", "-"], hex.as_bytes());
    let guess: Value = serde_json::from_slice(&output.stdout).unwrap();
    let best = &guess["streams"][0]["candidates"][0];
    assert_eq!((&best["framing"], &best["offset"]), (&json!("nac"), &json!(7)));
    assert_eq!(best["encodings"]["n"], "bcd");
    let decoded = answer(
        &["decode", "--ndjson", "--reveal"],
        &json!({"dialect": best["dialect"], "framing": best["framing"], "hex": hex}),
    );
    assert_eq!(decoded["fields"], purchase_in("iso87-binary")["fields"], "the dialect that comes with it reads it");
}

#[test]
fn what_is_not_said_is_guessed_by_explain() {
    let hex = framed_purchase();
    let spaced: Vec<String> = hex.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair).into_owned()).collect();
    let mut arguments = vec!["explain"];
    arguments.extend(spaced.iter().map(String::as_str));
    let output = tool(&arguments, b"");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("iso87-binary") && text.contains("400012******0002"), "{text}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("framing nac, dialect iso87-binary"));
    let coloured = tool(&["--color", "always", "explain", &hex], b"");
    assert!(String::from_utf8(coloured.stdout).unwrap().contains("\x1b[36m"));
}

#[test]
fn files_are_read_whatever_they_hold() {
    let hex = framed_purchase();
    let bytes: Vec<u8> = (0..hex.len() / 2).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
    let mut dump = String::new();
    for (i, line) in bytes.chunks(16).enumerate() {
        let pairs: String = line.iter().map(|byte| format!("{byte:02x} ")).collect();
        dump += &format!("{:08x}  {pairs:<48} |................|\n", i * 16);
    }
    let folder = std::env::temp_dir().join(format!("iso8583-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = [("message.bin", bytes), ("dump.txt", dump.into_bytes()), ("message.hex", hex.into_bytes())];
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        let output = tool(&["guess", path.to_str().unwrap()], b"");
        assert!(String::from_utf8(output.stdout).unwrap().contains("framing nac, dialect iso87-binary"), "{name}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_fault_is_shown_where_it_is_and_no_secret_beside_it() {
    let request = purchase(&json!("iso87-ascii"));
    let hex = answer(&["encode", "--ndjson"], &request)["hex"].as_str().unwrap().to_owned();
    let bytes = hex.len() / 2;
    for cut in 1..bytes {
        let output = tool(&["explain", "--dialect", "iso87-ascii", &hex[..2 * cut]], b"");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "cut at {cut}");
        for secret in
            ["34303030313230303030303030303032", "34 30 30 30 31 32 30 30 30 30", "400012000000000", "A5A5A5A5"]
        {
            assert!(!text.contains(secret), "cut at {cut}: {text}");
        }
    }
    let output = tool(&["explain", "--dialect", "iso87-ascii", &hex[..hex.len() - 40]], b"");
    assert!(String::from_utf8(output.stdout).unwrap().contains("^^"), "a mark under the byte");
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    for (arguments, words) in [
        (&["explain", "nosuchfile.hex"][..], "is no file, and no hex string of whole bytes"),
        (&["guess", "303"], "is no file, and no hex string of whole bytes"),
        (&["explain", "--framing", "bin9", "--dialect", "iso87-ascii", "30"], "is none of ascii4"),
        (&["explain", "--dialect", "iso78", "30"], "no such dialect; shipped are"),
    ] {
        let output = tool(arguments, b"");
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    let output = tool(&["guess", "00112233445566778899"], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stdout).unwrap().contains("nothing in it looks like"));
}
