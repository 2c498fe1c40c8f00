//! Reads and writes our messages with iso8583_rs, measures how long that takes, or exchanges messages with a listener.
//!
//! usage: iso8583_rs-peer decode|speed ROWS        lines {"id","dialect","hex"}, as the other peers of tests/interop read them
//!        iso8583_rs-peer client ROWS HOST:PORT    lines {"mti","fields"}, each answered with what came back
//!
//! iso8583_rs reads one spec per process, so all lines must be of one dialect. It also prints to standard output itself; the
//! lines of this program are those that begin with a brace.

mod client;
mod codec;
mod rows;
mod speed;

use codec::LibraryError;
use iso8583_rs::iso8583::iso_spec::{self, Spec};
use rows::Rows;
use serde_json::{json, Map, Value};
use std::error::Error;
use std::io::{BufRead, Write};
use std::panic::AssertUnwindSafe;
use std::path::Path;

/// The dialect of the client: that of the listener for acquirers.
const CLIENT_DIALECT: &str = "iso87-ascii";

fn main() -> Result<(), Box<dyn Error>> {
    // `main` prints an error by `Debug`, which of a text is the text
    run().map_err(|error| error.to_string().into())
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let rows = |dialect: &str| -> Result<Rows, Box<dyn Error>> {
        let folder = arguments.get(2).ok_or("ROWS is missing")?;
        Ok(serde_json::from_str(&std::fs::read_to_string(Path::new(folder).join(format!("{dialect}.json")))?)?)
    };
    match arguments.get(1).map(String::as_str) {
        Some("client") => {
            let rows = rows(CLIENT_DIALECT)?;
            client::exchange(spec(&rows)?, &rows, arguments.get(3).ok_or("HOST:PORT is missing")?)
        }
        Some(verb @ ("decode" | "speed")) => {
            let lines = std::io::stdin().lock().lines();
            let lines = lines
                .map(|line| Ok(serde_json::from_str::<Value>(&line?)?))
                .collect::<Result<Vec<_>, Box<dyn Error>>>()?;
            let Some(first) = lines.first() else { return Ok(()) };
            let rows = rows(first["dialect"].as_str().ok_or("no dialect")?)?;
            if verb == "decode" {
                decode(&rows, &lines)
            } else {
                speed(&rows, &lines)
            }
        }
        _ => Err("usage: iso8583_rs-peer decode|speed ROWS, or client ROWS HOST:PORT".into()),
    }
}

/// Loads the spec of these rows into iso8583_rs.
fn spec(rows: &Rows) -> Result<&'static Spec, Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("iso8583_rs-peer-{}.yaml", std::process::id()));
    std::fs::write(&path, rows.spec()?)?;
    std::env::set_var("SPEC_FILE", &path);
    let spec = iso_spec::spec("");
    std::fs::remove_file(&path)?;
    Ok(spec)
}

fn decode(rows: &Rows, lines: &[Value]) -> Result<(), Box<dyn Error>> {
    let spec = if rows.bitmap == "bin" { spec(rows) } else { Err("it reads raw bitmaps only".into()) };
    // a panic of iso8583_rs is reported as an error of its line, and not printed
    std::panic::set_hook(Box::new(|_| {}));
    for line in lines {
        let mut answer = match &spec {
            Err(reason) => json!({"cannot": reason.to_string()}),
            Ok(spec) => match std::panic::catch_unwind(AssertUnwindSafe(|| read(spec, rows, line))) {
                Ok(Ok(answer)) => answer,
                Ok(Err(fault)) => fault,
                Err(_) => json!({"error": "it panics"}),
            },
        };
        answer["id"] = line["id"].clone();
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(())
}

fn read(spec: &'static Spec, rows: &Rows, line: &Value) -> Result<Value, Value> {
    let error = |error: LibraryError| json!({"error": error.to_string()});
    let bytes =
        codec::bytes(line["hex"].as_str().unwrap_or("")).map_err(|no_hex| json!({"error": no_hex.to_string()}))?;
    if let Some(reason) = rows.no_part(&bytes) {
        return Err(json!({"cannot": reason}));
    }
    let message = codec::decode(spec, &bytes).map_err(error)?;
    let ours = |(n, value): &(u32, String)| (n.to_string(), rows.ours(*n, value).into());
    let fields: Map<String, Value> = message.values.iter().map(ours).collect();
    let again = codec::encode(spec, &message).map_err(error)?;
    Ok(json!({"mti": message.mti, "fields": fields, "hex": codec::hex(&again)}))
}

fn speed(rows: &Rows, lines: &[Value]) -> Result<(), Box<dyn Error>> {
    let spec = spec(rows)?;
    let mut figures = Map::new();
    for line in lines {
        let bytes = codec::bytes(line["hex"].as_str().unwrap_or(""))?;
        if let Some(reason) = rows.no_part(&bytes) {
            return Err(format!("iso8583_rs: {reason}").into());
        }
        speed::measure(spec, &bytes, line["id"].as_str().unwrap_or(""), &mut figures)?;
    }
    writeln!(std::io::stdout(), "{}", Value::Object(figures))?;
    Ok(())
}
