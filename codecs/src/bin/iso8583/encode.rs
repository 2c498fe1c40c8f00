//! `iso8583 encode`: JSON to messages.

use super::dialects::Dialects;
use super::ndjson::{self, Fault, Object};
use codecs::encoding::{Format, from_hex, to_hex};
use codecs::{Builder, Dialect, ErrorKind, Mti};
use serde_json::Value;

pub fn answer(dialects: &mut Dialects, request: &Object) -> Result<Object, Fault> {
    let dialect = request.get("dialect").ok_or_else(|| Fault::request("dialect is missing"))?;
    let dialect = dialects.given(dialect)?;
    let mti = <[u8; 4]>::try_from(ndjson::text(request, "mti")?.as_bytes()).ok().and_then(Mti::from_digits);
    let mti = mti.ok_or_else(|| Fault::of_element(ErrorKind::Charset, "MTI", "mti is not four digits"))?;
    let Some(Value::Object(fields)) = request.get("fields") else {
        return Err(Fault::request("fields is missing, or no object"));
    };
    let mut builder = Builder::new(&dialect, mti);
    for (number, value) in fields {
        let element = number.parse::<u8>().ok().filter(|n| (2..=192).contains(n));
        let element = element.ok_or_else(|| {
            Fault::of_element(ErrorKind::UnknownElement, number, format!("{number:?} is no element 2–192"))
        })?;
        let text = value.as_str().ok_or_else(|| Fault::request(format!("fields.{number} is no string")))?;
        builder.put_content(element, &content(&dialect, element, text)?);
    }
    let mut answer = Object::new();
    answer.insert("hex".into(), to_hex(&builder.encode()?).into());
    Ok(answer)
}

/// The content of an element: for a binary element the bytes in hex, else one byte per character.
fn content(dialect: &Dialect, element: u8, text: &str) -> Result<Vec<u8>, Fault> {
    let name = format!("DE{element}");
    let rule = dialect.rule(element).ok_or_else(|| {
        Fault::of_element(ErrorKind::NoRule, &name, format!("{name}: the dialect has no rule for it"))
    })?;
    if rule.format == Format::Binary {
        return from_hex(text)
            .ok_or_else(|| Fault::of_element(ErrorKind::BadHex, &name, format!("{name}: no hex of whole bytes")));
    }
    text.chars().map(|char| u8::try_from(u32::from(char)).ok()).collect::<Option<_>>().ok_or_else(|| {
        Fault::of_element(ErrorKind::Charset, &name, format!("{name}: a character no dialect can carry"))
    })
}
