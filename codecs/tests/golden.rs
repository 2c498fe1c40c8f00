//! The golden messages of tests/golden/, one file per shipped dialect: they decode to the fields listed with them and
//! encode to the same bytes. malformed.rs damages them.
//!
//! Their bytes were written by pyiso8583, or – if it cannot represent a partner's dialect – by a program made for it
//! that does not use our rows. tests/interop/check-goldens has independent decoders read and write them again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]
use bytes::Bytes;
use codecs::encoding::{Format, from_hex, to_hex};
use codecs::{Builder, Dialect, Message, Mti, dialect};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    name: String,
    mti: String,
    hex: String,
    fields: BTreeMap<u8, String>,
    /// Independent decoders that read it differently, and why they are wrong.
    #[serde(default)]
    #[expect(dead_code, reason = "tests/interop/check-goldens reads it")]
    differs: BTreeMap<String, String>,
}

impl Golden {
    fn bytes(&self) -> Bytes {
        from_hex(&self.hex).unwrap_or_else(|| panic!("{}: no hex", self.name)).into()
    }

    fn build(&self, dialect: &Arc<Dialect>) -> Builder {
        let digits = <[u8; 4]>::try_from(self.mti.as_bytes()).unwrap();
        let mut builder = Builder::new(dialect, Mti::from_digits(digits).unwrap());
        for (element, text) in &self.fields {
            let binary = dialect.rule(*element).unwrap().format == Format::Binary;
            let content = if binary { from_hex(text).unwrap() } else { text.clone().into_bytes() };
            builder.put_content(*element, &content);
        }
        builder
    }
}

/// Every golden message with its dialect.
#[expect(clippy::disallowed_methods, reason = "golden messages are files")]
fn goldens() -> Vec<(Arc<Dialect>, Golden)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut all = Vec::new();
    for (name, _) in dialect::SHIPPED {
        let path = folder.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let of_dialect: Vec<Golden> = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(!of_dialect.is_empty(), "{name} has golden messages");
        let dialect = dialect::shipped(name).unwrap();
        all.extend(of_dialect.into_iter().map(|golden| (Arc::clone(&dialect), golden)));
    }
    all
}

fn fields(message: &Message) -> BTreeMap<u8, String> {
    let text = |element| {
        let field = message.field(element).unwrap();
        match field.rule().format {
            Format::Binary => to_hex(&field.content()),
            _ => field.chars().map(char::from).collect(),
        }
    };
    message.elements().map(|element| (element, text(element))).collect()
}

#[test]
fn they_decode_to_their_fields() {
    for (dialect, golden) in goldens() {
        let message = Message::decode(&dialect, golden.bytes())
            .unwrap_or_else(|e| panic!("{} {}: {e}", dialect.name, golden.name));
        assert_eq!(message.mti().as_str(), golden.mti, "{} {}", dialect.name, golden.name);
        assert_eq!(fields(&message), golden.fields, "{} {}", dialect.name, golden.name);
    }
}

#[test]
fn their_fields_encode_to_their_bytes() {
    for (dialect, golden) in goldens() {
        let encoded = golden.build(&dialect).encode().unwrap();
        assert_eq!(to_hex(&encoded), golden.hex, "{} {}", dialect.name, golden.name);
        let message = Message::decode(&dialect, golden.bytes()).unwrap();
        let copied = Builder::new(&dialect, message.mti()).copy_all(&message).encode().unwrap();
        assert_eq!(to_hex(&copied), golden.hex, "{} {}", dialect.name, golden.name);
    }
}
