//! Key check values: six hex digits by which two parties see that they hold the same key.
//!
//! DES: the first three bytes of the encryption of a zero block. AES: the first three bytes of the AES-CMAC of one zero
//! block (ANSI X9.24-1). Keys that only seal or wrap cannot make their own; their value is taken from the clear key at the
//! ceremony, where it is drawn, and kept in the ceremony's record.
use hsm::{CheckValues, KeyBlock};

use crate::hex::hex;
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module};
use crate::verbs::working_keys::{self, kind_of};

/// The check value of a clear key, by way of a temporary object that can encrypt or sign.
pub(crate) fn of_clear_key<M: Module>(module: &M, kind: KeyKind, key: &[u8]) -> Result<String, Fault> {
    match kind.material() {
        Material::Des2 => of_des_key(module, &module.import(KeyKind::PinDes, key)?),
        Material::Aes(_) | Material::Secret => {
            let key = module.import(KeyKind::MacCmac, key)?;
            Ok(hex(&module.aes_cmac(&key, &[0; 16])?[..3]))
        }
    }
}

/// Both check values of a clear key.
pub(crate) fn both_of_clear_key<M: Module>(module: &M, kind: KeyKind, key: &[u8]) -> Result<CheckValues, Fault> {
    match kind.material() {
        Material::Des2 => Ok(CheckValues { zeros: of_clear_key(module, kind, key)?, cmac: None }),
        Material::Aes(_) | Material::Secret => {
            let cipher = module.import(KeyKind::PinAes, key)?;
            let zeros = hex(&module.aes_encrypt(&cipher, &[0; 16])?[..3]);
            Ok(CheckValues { zeros, cmac: Some(of_clear_key(module, kind, key)?) })
        }
    }
}

/// Both check values of a working key, which is unwrapped as an object that may encrypt or sign.
pub(crate) fn of_working_key<M: Module>(module: &M, block: &KeyBlock) -> Result<CheckValues, Fault> {
    match kind_of(block.usage()).material() {
        Material::Des2 => {
            let key = working_keys::unwrap_as(module, block, KeyKind::PinDes)?;
            Ok(CheckValues { zeros: of_des_key(module, &key)?, cmac: None })
        }
        Material::Aes(_) | Material::Secret => {
            let cipher = working_keys::unwrap_as(module, block, KeyKind::PinAes)?;
            let zeros = hex(&module.aes_encrypt(&cipher, &[0; 16])?[..3]);
            let mac = working_keys::unwrap_as(module, block, KeyKind::MacCmac)?;
            Ok(CheckValues { zeros, cmac: Some(hex(&module.aes_cmac(&mac, &[0; 16])?[..3])) })
        }
    }
}

/// The check value of a DES key that may encrypt single blocks.
pub(crate) fn of_des_key<M: Module>(module: &M, key: &M::Key) -> Result<String, Fault> {
    Ok(hex(&module.des_encrypt(key, &[0; 8])?[..3]))
}
