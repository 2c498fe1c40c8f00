//! PIN blocks, translations between them, and PIN reference values.
use codecs::value::PinBlock;
use hsm::{OffsetScheme, PinFormat, PinMethod, PinOffset, PinReference, TranslationOutcome};

use super::{Failure, Outcome, Vector, same};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::{kcv, offset, pin};

/// The PIN that a block holds is the vector's.
pub(super) fn holds<M: Module>(
    module: &M,
    key: &M::Key,
    format: PinFormat,
    block: &PinBlock,
    vector: &Vector<'_>,
) -> Outcome {
    let found = pin::decipher(module, key, format, block, &vector.pan()?)?.ok_or(Failure::Differs("format"))?;
    let digits: Vec<u8> = found.values().iter().map(|d| b'0' + d).collect();
    same("pin", digits, vector.text("pin")?)
}

pub(super) fn format_0<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let from = vector.key(module, "zpk", KeyKind::PinDes)?;
    let to = vector.key(module, "zpk2", KeyKind::PinDes)?;
    let block = vector.block("encrypted")?;
    holds(module, &from, PinFormat::Iso0, &block, vector)?;
    same("zpk_kcv", kcv::of_des_key(module, &from)?, vector.text("zpk_kcv")?)?;
    match pin::translate(module, (&from, PinFormat::Iso0), (&to, PinFormat::Iso0), &block, &vector.pan()?)? {
        TranslationOutcome::Translated(block) => {
            same("translation", block.expose(), vector.bytes("translated_under_zpk2")?)?;
        }
        TranslationOutcome::FormatError => return Err(Failure::Differs("translation")),
    }
    for format in [PinFormat::Iso0, PinFormat::Iso3] {
        translated(module, (&from, PinFormat::Iso0), (&to, format), &block, vector)?;
    }
    Ok(())
}

pub(super) fn format_3<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "zpk", KeyKind::PinDes)?;
    let block = vector.block("encrypted")?;
    holds(module, &key, PinFormat::Iso3, &block, vector)?;
    let wide = module.import(KeyKind::PinAes, &vector.bytes("zpk")?)?;
    for (to, format) in [(&key, PinFormat::Iso0), (&key, PinFormat::Iso3), (&wide, PinFormat::Iso4)] {
        translated(module, (&key, PinFormat::Iso3), (to, format), &block, vector)?;
    }
    Ok(())
}

/// Deciphers the block, enciphers its PIN again and deciphers that: the fill is random, so only the PINs can be compared.
pub(super) fn format_4<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::PinAes)?;
    let block = vector.block("encrypted")?;
    holds(module, &key, PinFormat::Iso4, &block, vector)?;
    let narrow = module.import(KeyKind::PinDes, &vector.bytes("key")?[..16])?;
    for (to, format) in [(&key, PinFormat::Iso4), (&narrow, PinFormat::Iso0), (&narrow, PinFormat::Iso3)] {
        translated(module, (&key, PinFormat::Iso4), (to, format), &block, vector)?;
    }
    Ok(())
}

fn translated<M: Module>(
    module: &M,
    from: (&M::Key, PinFormat),
    to: (&M::Key, PinFormat),
    block: &PinBlock,
    vector: &Vector<'_>,
) -> Outcome {
    match pin::translate(module, from, to, block, &vector.pan()?)? {
        TranslationOutcome::Translated(block) => holds(module, to.0, to.1, &block, vector),
        TranslationOutcome::FormatError => Err(Failure::Differs("translation")),
    }
}

pub(super) fn visa_pvv<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "pvk", KeyKind::Pvk)?;
    let pvv = pin::pvv(module, &key, &vector.pan()?, vector.number("pvki")?, &vector.pin()?)?;
    same("pvv", pvv.expose(), vector.text("pvv")?)
}

/// The offset that is made, the natural PIN, and the verdicts on the right PIN and on another one.
pub(super) fn ibm_3624<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "pvk", KeyKind::Pvk)?;
    let pad = u8::from_str_radix(vector.text("pan_pad")?, 16).map_err(|_| Failure::Field("pan_pad"))?;
    let table = vector.digits("decimalization_table")?;
    let scheme =
        OffsetScheme::with_table(table, vector.number("pan_verify_offset")?, vector.number("pan_verify_length")?, pad)
            .map_err(|_| Failure::Field("decimalization_table"))?;
    let (pan, entered) = (vector.pan()?, vector.pin()?);
    let natural = offset::natural_pin(module, &key, &scheme, &pan)?;
    let shown: Vec<u8> = natural.iter().take(entered.values().len()).map(|digit| b'0' + digit).collect();
    same("natural_pin", shown, vector.text("natural_pin")?)?;
    let made = pin::reference(module, &key, &pan, &PinMethod::Offset(scheme.clone()), &entered)?;
    let given = PinOffset::new(vector.text("offset")?.as_bytes()).map_err(|_| Failure::Field("offset"))?;
    let given = PinReference::Offset { offset: given, scheme };
    if made != given {
        return Err(Failure::Differs("offset"));
    }
    let mut other: Vec<u8> = entered.values().to_vec();
    other[0] = (other[0] + 1) % 10;
    let other = crate::verbs::pin_block::Pin::new(&other).ok_or(Failure::Field("pin"))?;
    if !pin::verify(module, &key, &pan, &given, &entered)? || pin::verify(module, &key, &pan, &given, &other)? {
        return Err(Failure::Differs("verdict"));
    }
    Ok(())
}
