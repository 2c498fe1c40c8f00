//! DUKPT: initial keys, transactions' keys, and PIN blocks and MACs under them.
use hsm::{AesTransaction, KeyName, PinFormat, TdesTransaction};

use super::pins::holds;
use super::{Failure, Outcome, Vector, same};
use crate::module::Module;
use crate::module::key_kind::KeyKind;
use crate::verbs::dukpt::{self, WorkingKeyUse};
use crate::verbs::mac::{self, DesPair};

/// One of the two kinds, by the length of the key serial number.
pub(super) fn either<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    if vector.bytes("ksn")?.len() == 10 { tdes(module, vector) } else { aes(module, vector) }
}

fn bdk_name() -> Result<KeyName, Failure> {
    KeyName::new("bdk/vector").map_err(|_| Failure::Field("bdk"))
}

pub(super) fn tdes<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let bdk = vector.key(module, "bdk", KeyKind::BdkDes)?;
    let masked = module.import(KeyKind::BdkDesMasked, &*dukpt::masked(&vector.fixed("bdk")?))?;
    let ksn: [u8; 10] = vector.fixed("ksn")?;
    let mut identifier = ksn;
    identifier[7] &= 0xE0;
    identifier[8..].fill(0);
    let initial = dukpt::tdes_initial(module, &bdk, &masked, &identifier)?;
    same("ipek", *initial, vector.bytes("ipek")?)?;
    if ksn == identifier {
        return Ok(());
    }
    let transaction = TdesTransaction::new(bdk_name()?, ksn).map_err(|_| Failure::Field("ksn"))?;
    let key = dukpt::tdes_transaction(&initial, &transaction)?;
    same("transaction_key", *key, vector.bytes("transaction_key")?)?;
    let pin_key = dukpt::tdes_working(&key, WorkingKeyUse::Pin);
    if vector.has("pin_block") {
        let key = module.import(KeyKind::PinDes, &*pin_key)?;
        holds(module, &key, PinFormat::Iso0, &vector.block("pin_block")?, vector)?;
    }
    for (name, direction) in [("mac_request", WorkingKeyUse::MacRequest), ("mac_response", WorkingKeyUse::MacResponse)]
    {
        if vector.has(name) {
            let key = dukpt::tdes_working(&key, direction);
            let keys = DesPair {
                full: module.import(KeyKind::MacDes, &*key)?,
                left: module.import(KeyKind::MacDesLeft, &crate::des_key::left_twice(&*key))?,
            };
            let data = mac::pad_zeros(vector.text("mac_text")?.as_bytes());
            same(name, &mac::algorithm_3(module, &keys, &data)?[..4], vector.bytes(name)?)?;
        }
    }
    Ok(())
}

/// Derived AES keys stay in the module: two keys are the same if they encipher or authenticate the same.
pub(super) fn aes<M: Module>(module: &M, vector: &Vector<'_>) -> Outcome {
    let bdk = vector.key(module, "bdk", KeyKind::BdkAes)?;
    let transaction = AesTransaction::new(bdk_name()?, vector.fixed("ksn")?).map_err(|_| Failure::Field("ksn"))?;
    let initial = dukpt::aes_initial(module, &bdk, &transaction.initial())?;
    // such a key can only derive, so it is checked by the keys derived from it
    let probe = |key: &M::Key| -> Result<[u8; 16], Failure> {
        let derived = module.derive_as(key, KeyKind::PinAes, &[0; 16], 16)?;
        Ok(module.aes_encrypt(&derived, &[0; 16])?)
    };
    same("initial_key", probe(&initial)?, probe(&vector.key(module, "initial_key", KeyKind::DukptAes)?)?)?;
    let key = dukpt::aes_transaction(module, &initial, &transaction)?;
    same("derivation_key", probe(&key)?, probe(&vector.key(module, "derivation_key", KeyKind::DukptAes)?)?)?;
    for (name, purpose) in [
        ("pin_encryption_key", WorkingKeyUse::Pin),
        ("pin_encryption_key_256", WorkingKeyUse::Pin),
        ("mac_generation_key", WorkingKeyUse::MacRequest),
        ("mac_generation_key_256", WorkingKeyUse::MacRequest),
    ] {
        if !vector.has(name) {
            continue;
        }
        let published = vector.bytes(name)?;
        let working = dukpt::aes_working(module, &key, &transaction, purpose, published.len())?;
        if purpose == WorkingKeyUse::Pin {
            let expected = module.import(KeyKind::PinAes, &published)?;
            same(name, module.aes_encrypt(&working, &[0; 16])?, module.aes_encrypt(&expected, &[0; 16])?)?;
        } else {
            let expected = module.import(KeyKind::MacCmac, &published)?;
            same(name, module.aes_cmac(&working, b"message")?, module.aes_cmac(&expected, b"message")?)?;
        }
    }
    if vector.has("pin_block") {
        let working = dukpt::aes_working(module, &key, &transaction, WorkingKeyUse::Pin, 16)?;
        holds(module, &working, PinFormat::Iso4, &vector.block("pin_block")?, vector)?;
    }
    Ok(())
}
