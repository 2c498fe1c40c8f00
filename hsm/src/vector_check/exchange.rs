//! Keys under other keys: TR-31 blocks.
use super::{Failure, Outcome, Vector, same};
use crate::key_kind::KeyKind;
use crate::module::Module;
use crate::verbs::tr31::{self, Unopened};

/// A block opens to its key; what is made from the same header and key opens again; an altered block does not open.
pub(super) fn tr31<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let text = vector.text("key_block")?;
    let kind = if text.starts_with('D') { KeyKind::KbpkAes } else { KeyKind::KbpkDes };
    let kbpk = vector.key(module, "kbpk", kind)?;
    let opened = tr31::open(module, &kbpk, text)?.map_err(|_| Failure::Differs("verdict on the block"))?;
    same("key", &*opened.key, vector.bytes("key")?)?;
    same("header", opened.header.text(payload(text, &opened.header)).unwrap_or_default(), header_of(text, vector)?)?;

    let made = tr31::make(module, &kbpk, &opened.header, &opened.key)?;
    let again = tr31::open(module, &kbpk, &made)?.map_err(|_| Failure::Differs("verdict on a block made here"))?;
    same("key made here", &*again.key, &*opened.key)?;

    // another mode of use in the header, which is not enciphered
    let mut altered = text.as_bytes().to_vec();
    altered[8] = if altered[8] == b'X' { b'Y' } else { b'X' };
    let altered = String::from_utf8(altered).map_err(|_| Failure::Field("key_block"))?;
    match tr31::open(module, &kbpk, &altered)? {
        Err(Unopened::NotAuthentic) => Ok(()),
        _ => Err(Failure::Differs("verdict on an altered block")),
    }
}

/// Bytes of the enciphered key: what the text has after its header, less the MAC.
fn payload(text: &str, header: &crate::tr31::Header) -> usize {
    let before = header.text(0).map_or(0, |text| text.len());
    (text.len() - before) / 2 - header.version.block()
}

fn header_of<'a>(text: &'a str, vector: &Vector<'_>) -> Result<&'a str, Failure> {
    // optional blocks follow the sixteen characters that a vector names, if it names them
    let named = vector.text("header").unwrap_or(&text[..16]);
    if !text.starts_with(named) {
        return Err(Failure::Field("header"));
    }
    let count: usize = text[12..14].parse().map_err(|_| Failure::Field("key_block"))?;
    let mut end = 16;
    for _ in 0..count {
        end += usize::from_str_radix(&text[end + 2..end + 4], 16).map_err(|_| Failure::Field("key_block"))?;
    }
    Ok(&text[..end])
}
