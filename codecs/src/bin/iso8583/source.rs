//! The input of a verb: hex on the command line, a file, or standard input.

use anyhow::Context;
use codecs::guess::input::bytes_of;
use std::io::{self, Read};
use std::path::Path;

/// The input: `-` is standard input, the path of an existing file its content, anything else the argument itself.
pub fn read(given: &str) -> anyhow::Result<Vec<u8>> {
    if given == "-" {
        let mut input = Vec::new();
        io::stdin().lock().read_to_end(&mut input).context("standard input")?;
        return Ok(input);
    }
    // a long hex string is no path, and looking one up is an error on some systems
    if given.len() < 4096 && Path::new(given).is_file() {
        return std::fs::read(given).with_context(|| given.to_owned());
    }
    if bytes_of(given).is_none() {
        anyhow::bail!("{:?} is no file, and no hex string of whole bytes", shortened(given));
    }
    Ok(given.as_bytes().to_vec())
}

/// The beginning of an argument: enough to recognise it, too little to show a card number.
fn shortened(given: &str) -> String {
    match given.char_indices().nth(24) {
        Some((end, _)) => format!("{}…", &given[..end]),
        None => given.to_owned(),
    }
}
