//! MACs, PAN indexes and envelopes, wrapped keys and check values.
use super::{Failure, Outcome, Vector, same};
use crate::hex::hex;
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::{kcv, mac};

pub(super) fn retail_mac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let keys = vector.pair(module, "key")?;
    let data = vector.bytes("data")?;
    let padded = match vector.number("padding")? {
        1 => mac::pad_zeros(&data),
        2_u8 => mac::pad_bit(&data),
        _ => return Err(Failure::Field("padding")),
    };
    same("mac", mac::algorithm_3(module, &keys, &padded)?, vector.bytes("mac")?)
}

pub(super) fn aes_cmac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::MacCmac)?;
    same("mac", module.aes_cmac(&key, &vector.bytes("data")?)?, vector.bytes("mac")?)
}

pub(super) fn pan_index<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::PanIndex)?;
    same("index", module.hmac_sha256(&key, vector.pan()?.expose())?, vector.bytes("index")?)
}

pub(super) fn pan_envelope<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::Vault)?;
    let (nonce, aad) = (vector.fixed("iv")?, vector.bytes("aad")?);
    let pan = vector.pan()?;
    let mut sealed = module.seal(&key, &nonce, &aad, pan.expose())?;
    same("ciphertext", &sealed, vector.bytes("ciphertext_and_tag")?)?;
    let opened = module.open(&key, &nonce, &aad, &sealed)?.ok_or(Failure::Differs("tag"))?;
    same("pan", &*opened, pan.expose())?;
    sealed[0] ^= 1;
    match module.open(&key, &nonce, &aad, &sealed)? {
        None => Ok(()),
        Some(_) => Err(Failure::Differs("verdict on an altered envelope")),
    }
}

pub(super) fn check_values<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    // triple-length keys occur among the vectors; this crate makes none
    let des = kcv::of_clear_key(module, KeyKind::PinDes, &vector.bytes("des_key")?)?;
    same("des_kcv", des, vector.text("des_kcv")?)?;
    let aes = vector.bytes("aes_key")?;
    same("aes_kcv_cmac", kcv::of_clear_key(module, KeyKind::MacCmac, &aes)?, vector.text("aes_kcv_cmac")?)?;
    let key = module.import(KeyKind::PinAes, &aes)?;
    same("aes_kcv_ecb_zero", hex(&module.aes_encrypt(&key, &[0; 16])?[..3]), vector.text("aes_kcv_ecb_zero")?)
}

pub(super) fn hmac<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let key = vector.key(module, "key", KeyKind::PanIndex)?;
    same("mac", module.hmac_sha256(&key, &vector.bytes("data")?)?, vector.bytes("mac")?)
}

/// RFC 3394: wrapping gives the expected wrap, unwrapping gives a key with the same results as the wrapped one.
pub(super) fn key_wrap<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let storage = vector.key(module, "kek", KeyKind::Storage)?;
    let key = vector.key(module, "key", KeyKind::PinAes)?;
    let mut wrap = vector.bytes("wrap")?;
    same("wrap", module.wrap(&storage, &key)?, &wrap)?;
    let unwrapped = module.unwrap(&storage, &wrap, KeyKind::PinAes)?.ok_or(Failure::Differs("integrity"))?;
    same("key", module.aes_encrypt(&unwrapped, &[0; 16])?, module.aes_encrypt(&key, &[0; 16])?)?;
    wrap[3] ^= 1;
    match module.unwrap(&storage, &wrap, KeyKind::PinAes)? {
        None => Ok(()),
        Some(_) => Err(Failure::Differs("verdict on an altered wrap")),
    }
}
