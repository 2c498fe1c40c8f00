//! Keys under other keys: TR-31 blocks.
use super::{Failure, Outcome, Vector, same};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::tr31::{self, OpenRefused};

/// A block opens to its key; a block made from the same header and key opens too; an altered block does not open.
pub(super) fn tr31<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let text = vector.text("key_block")?;
    let kind = if text.starts_with('D') { KeyKind::KbpkAes } else { KeyKind::KbpkDes };
    let kbpk = vector.key(module, "kbpk", kind)?;
    let opened = tr31::open(module, &kbpk, text)?.map_err(|_| Failure::Differs("verdict on the block"))?;
    same("key", &*opened.key, vector.bytes("key")?)?;
    if !text.starts_with(vector.text("header").unwrap_or_default()) {
        return Err(Failure::Field("header"));
    }

    let made = tr31::make(module, &kbpk, &opened.header, &opened.key)?;
    let again = tr31::open(module, &kbpk, &made)?.map_err(|_| Failure::Differs("verdict on a block made here"))?;
    same("key made here", &*again.key, &*opened.key)?;
    // the texts may differ: the length of the filler after optional blocks is the sender's choice
    if again.header != opened.header {
        return Err(Failure::Differs("header made here"));
    }

    // another mode of use in the header, which is not enciphered
    let mut altered = text.as_bytes().to_vec();
    altered[8] = if altered[8] == b'X' { b'Y' } else { b'X' };
    let altered = String::from_utf8(altered).map_err(|_| Failure::Field("key_block"))?;
    match tr31::open(module, &kbpk, &altered)? {
        Err(OpenRefused::NotAuthentic) => Ok(()),
        _ => Err(Failure::Differs("verdict on an altered block")),
    }
}
