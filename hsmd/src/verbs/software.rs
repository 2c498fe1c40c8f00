//! A module in this process's memory: a test double for the verbs, where no token is available.
//!
//! It protects nothing. `hsmd` never uses it; no configuration can choose it.
use std::collections::HashMap;
use std::rc::Rc;

use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit, generic_array::GenericArray};
use aes_gcm::aead::Aead;
use aes_gcm::aead::Payload;
use cmac::Cmac;
use des::TdesEde3;
use hsm::KeyName;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::des_key::odd_parity;
use crate::module::key_kind::{KeyKind, Material, Permitted};
use crate::module::{Fault, Module};
use crate::verbs::pin_block::xor;

/// A key in memory with its kind.
#[derive(Clone)]
pub(crate) struct SoftwareKey(Rc<(KeyKind, Zeroizing<Vec<u8>>)>);

/// The module.
#[derive(Default)]
pub(crate) struct SoftwareModule {
    keys: HashMap<KeyName, SoftwareKey>,
    /// How many of the next HMACs fail as a broken module would.
    pub faults: std::cell::Cell<u32>,
}

impl SoftwareModule {
    /// Adds a static key.
    pub(crate) fn insert(&mut self, name: KeyName, kind: KeyKind, value: &[u8]) {
        self.keys.insert(name, key(kind, value));
    }
}

fn key(kind: KeyKind, value: &[u8]) -> SoftwareKey {
    SoftwareKey(Rc::new((kind, Zeroizing::new(value.to_vec()))))
}

impl SoftwareKey {
    /// The key's bytes for a use that its kind permits, as a token would enforce it.
    fn used(&self, mechanism: Permitted, allowed: bool) -> Result<&[u8], Fault> {
        if allowed && self.0.0.permitted().contains(&mechanism) {
            Ok(&self.0.1)
        } else {
            Err(Fault::Refused("the key may not be used so"))
        }
    }

    fn des(&self, mechanism: Permitted, allowed: bool) -> Result<TdesEde3, Fault> {
        let key = self.used(mechanism, allowed)?;
        let triple: Zeroizing<Vec<u8>> = Zeroizing::new(key.iter().chain(key).take(24).copied().collect());
        TdesEde3::new_from_slice(&triple).map_err(|_| Fault::Request("length of the key"))
    }
}

/// Block work for the AES key lengths.
enum Aes {
    Short(Box<aes::Aes128>),
    Middle(Box<aes::Aes192>),
    Long(Box<aes::Aes256>),
}

impl Aes {
    fn new(key: &[u8]) -> Result<Self, Fault> {
        let wrong = |_| Fault::Request("length of the key");
        Ok(match key.len() {
            16 => Self::Short(Box::new(aes::Aes128::new_from_slice(key).map_err(wrong)?)),
            24 => Self::Middle(Box::new(aes::Aes192::new_from_slice(key).map_err(wrong)?)),
            _ => Self::Long(Box::new(aes::Aes256::new_from_slice(key).map_err(wrong)?)),
        })
    }

    fn encrypt(&self, block: &[u8; 16]) -> [u8; 16] {
        let mut out = GenericArray::from(*block);
        match self {
            Self::Short(aes) => aes.encrypt_block(&mut out),
            Self::Middle(aes) => aes.encrypt_block(&mut out),
            Self::Long(aes) => aes.encrypt_block(&mut out),
        }
        out.into()
    }

    fn decrypt(&self, block: &[u8; 16]) -> [u8; 16] {
        let mut out = GenericArray::from(*block);
        match self {
            Self::Short(aes) => aes.decrypt_block(&mut out),
            Self::Middle(aes) => aes.decrypt_block(&mut out),
            Self::Long(aes) => aes.decrypt_block(&mut out),
        }
        out.into()
    }
}

fn des_block(des: &TdesEde3, block: &[u8; 8]) -> [u8; 8] {
    let mut out = GenericArray::from(*block);
    des.encrypt_block(&mut out);
    out.into()
}

/// First value of the integrity register of AES key wrap (RFC 3394, 2.2.3.1).
const WRAP_START: [u8; 8] = [0xA6; 8];

impl Module for SoftwareModule {
    type Key = SoftwareKey;

    fn find(&self, name: &KeyName) -> Result<SoftwareKey, Fault> {
        self.keys.get(name).cloned().ok_or_else(|| Fault::KeyMissing(name.to_string()))
    }

    fn kind(&self, key: &SoftwareKey) -> KeyKind {
        key.0.0
    }

    fn random(&self, out: &mut [u8]) -> Result<(), Fault> {
        getrandom::fill(out).map_err(|error| Fault::Device(error.to_string()))
    }

    fn des_encrypt(&self, key: &SoftwareKey, block: &[u8; 8]) -> Result<[u8; 8], Fault> {
        Ok(des_block(&key.des(Permitted::DesEcb, key.0.0.usage().encrypt)?, block))
    }

    fn des_decrypt(&self, key: &SoftwareKey, block: &[u8; 8]) -> Result<[u8; 8], Fault> {
        let mut out = GenericArray::from(*block);
        key.des(Permitted::DesEcb, key.0.0.usage().decrypt)?.decrypt_block(&mut out);
        Ok(out.into())
    }

    fn des_chain(&self, key: &SoftwareKey, data: &[u8]) -> Result<[u8; 8], Fault> {
        let des = key.des(Permitted::DesCbc, key.0.0.usage().encrypt)?;
        let (blocks, []) = data.as_chunks::<8>() else { return Err(Fault::Request("length of the data")) };
        Ok(blocks.iter().fold([0; 8], |carried, block| des_block(&des, &xor(&carried, block))))
    }

    fn aes_encrypt(&self, key: &SoftwareKey, block: &[u8; 16]) -> Result<[u8; 16], Fault> {
        Ok(Aes::new(key.used(Permitted::AesEcb, key.0.0.usage().encrypt)?)?.encrypt(block))
    }

    fn aes_decrypt(&self, key: &SoftwareKey, block: &[u8; 16]) -> Result<[u8; 16], Fault> {
        Ok(Aes::new(key.used(Permitted::AesEcb, key.0.0.usage().decrypt)?)?.decrypt(block))
    }

    fn aes_cmac(&self, key: &SoftwareKey, data: &[u8]) -> Result<[u8; 16], Fault> {
        fn mac<M: cmac::Mac + KeyInit>(key: &[u8], data: &[u8]) -> Result<[u8; 16], Fault> {
            let mut mac = <M as cmac::Mac>::new_from_slice(key).map_err(|_| Fault::Request("length of the key"))?;
            mac.update(data);
            mac.finalize().into_bytes().as_slice().try_into().map_err(|_| Fault::Request("length of the MAC"))
        }
        let bytes = key.used(Permitted::AesCmac, key.0.0.usage().sign)?;
        match bytes.len() {
            16 => mac::<Cmac<aes::Aes128>>(bytes, data),
            24 => mac::<Cmac<aes::Aes192>>(bytes, data),
            _ => mac::<Cmac<aes::Aes256>>(bytes, data),
        }
    }

    fn seal(&self, key: &SoftwareKey, nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let bytes = key.used(Permitted::AesGcm, key.0.0.usage().encrypt)?;
        let payload = Payload { msg: plain, aad };
        let sealed = match bytes.len() {
            16 => aes_gcm::Aes128Gcm::new_from_slice(bytes).map(|gcm| gcm.encrypt(nonce.into(), payload)),
            _ => aes_gcm::Aes256Gcm::new_from_slice(bytes).map(|gcm| gcm.encrypt(nonce.into(), payload)),
        };
        sealed.map_err(|_| Fault::Request("length of the key"))?.map_err(|_| Fault::Request("length of the data"))
    }

    fn open(
        &self,
        key: &SoftwareKey,
        nonce: &[u8; 12],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let bytes = key.used(Permitted::AesGcm, key.0.0.usage().decrypt)?;
        let payload = Payload { msg: sealed, aad };
        let plain = match bytes.len() {
            16 => aes_gcm::Aes128Gcm::new_from_slice(bytes).map(|gcm| gcm.decrypt(nonce.into(), payload)),
            _ => aes_gcm::Aes256Gcm::new_from_slice(bytes).map(|gcm| gcm.decrypt(nonce.into(), payload)),
        };
        Ok(plain.map_err(|_| Fault::Request("length of the key"))?.ok().map(Zeroizing::new))
    }

    fn hmac_sha256(&self, key: &SoftwareKey, data: &[u8]) -> Result<[u8; 32], Fault> {
        if let Some(left) = self.faults.get().checked_sub(1) {
            self.faults.set(left);
            return Err(Fault::Device("told to fail".into()));
        }
        let bytes = key.used(Permitted::HmacSha256, key.0.0.usage().sign)?;
        let mut mac = <hmac::Hmac<Sha256> as hmac::Mac>::new_from_slice(bytes)
            .map_err(|_| Fault::Request("length of the key"))?;
        hmac::Mac::update(&mut mac, data);
        Ok(hmac::Mac::finalize(mac).into_bytes().into())
    }

    fn derive(&self, key_: &SoftwareKey, data: &[u8; 16]) -> Result<SoftwareKey, Fault> {
        Ok(key(KeyKind::Derived, &*self.derive_exposed(key_, data)?))
    }

    fn derive_exposed(&self, key: &SoftwareKey, data: &[u8; 16]) -> Result<Zeroizing<[u8; 16]>, Fault> {
        let des = key.des(Permitted::DesEcbDerive, key.0.0.usage().derive)?;
        let (halves, []) = data.as_chunks::<8>() else { return Err(Fault::Request("length of the data")) };
        let mut derived = Zeroizing::new([0; 16]);
        for (out, half) in derived.chunks_exact_mut(8).zip(halves) {
            out.copy_from_slice(&des_block(&des, half));
        }
        odd_parity(&mut *derived);
        Ok(derived)
    }

    fn derive_as(&self, base: &SoftwareKey, kind: KeyKind, data: &[u8], length: usize) -> Result<SoftwareKey, Fault> {
        let derive = base.0.0.usage().derive;
        let mut derived = Zeroizing::new(Vec::with_capacity(data.len()));
        match base.0.0.material() {
            Material::Aes(_) => {
                let aes = Aes::new(base.used(Permitted::AesEcbDerive, derive)?)?;
                let (blocks, []) = data.as_chunks::<16>() else { return Err(Fault::Request("length of the data")) };
                blocks.iter().for_each(|block| derived.extend_from_slice(&aes.encrypt(block)));
            }
            Material::Des2 | Material::Secret => {
                let des = base.des(Permitted::DesEcbDerive, derive)?;
                let (blocks, []) = data.as_chunks::<8>() else { return Err(Fault::Request("length of the data")) };
                blocks.iter().for_each(|block| derived.extend_from_slice(&des_block(&des, block)));
            }
        }
        let value = derived.get_mut(..length).ok_or(Fault::Request("length of the key"))?;
        if kind.material() == Material::Des2 {
            odd_parity(value);
        }
        Ok(key(kind, value))
    }

    fn length(&self, key: &SoftwareKey) -> Result<usize, Fault> {
        Ok(key.0.1.len())
    }

    fn import(&self, kind: KeyKind, value: &[u8]) -> Result<SoftwareKey, Fault> {
        if kind.material() == Material::Des2 && !matches!(value.len(), 16 | 24) {
            return Err(Fault::Request("length of the key"));
        }
        Ok(key(kind, value))
    }

    fn wrap(&self, storage: &SoftwareKey, key: &SoftwareKey) -> Result<Vec<u8>, Fault> {
        let aes = Aes::new(storage.used(Permitted::AesKeyWrap, storage.0.0.usage().wrap)?)?;
        let (blocks, []) = key.0.1.as_chunks::<8>() else { return Err(Fault::Request("length of the key")) };
        let mut blocks = blocks.to_vec();
        let mut register = WRAP_START;
        for step in 1..=6 * blocks.len() as u64 {
            let place = (step as usize - 1) % blocks.len();
            let [left, right] = halves(&aes.encrypt(&join(&register, &blocks[place])));
            register = xor(&left, &step.to_be_bytes());
            blocks[place] = right;
        }
        Ok([&register[..], blocks.as_flattened()].concat())
    }

    fn unwrap(&self, storage: &SoftwareKey, wrap: &[u8], kind: KeyKind) -> Result<Option<SoftwareKey>, Fault> {
        let aes = Aes::new(storage.used(Permitted::AesKeyWrap, storage.0.0.usage().unwrap)?)?;
        let ([register, blocks @ ..], []) = wrap.as_chunks::<8>() else { return Ok(None) };
        let (mut register, mut blocks) = (*register, blocks.to_vec());
        for step in (1..=6 * blocks.len() as u64).rev() {
            let place = (step as usize - 1) % blocks.len();
            let [left, right] = halves(&aes.decrypt(&join(&xor(&register, &step.to_be_bytes()), &blocks[place])));
            register = left;
            blocks[place] = right;
        }
        Ok((register == WRAP_START).then(|| key(kind, blocks.as_flattened())))
    }

    fn rewrap(
        &self,
        from: &SoftwareKey,
        to: &SoftwareKey,
        wrap: &[u8],
        kind: KeyKind,
    ) -> Result<Option<Vec<u8>>, Fault> {
        self.unwrap(from, wrap, kind)?.map(|key| self.wrap(to, &key)).transpose()
    }
}

fn join(left: &[u8; 8], right: &[u8; 8]) -> [u8; 16] {
    let mut both = [0; 16];
    both[..8].copy_from_slice(left);
    both[8..].copy_from_slice(right);
    both
}

fn halves(both: &[u8; 16]) -> [[u8; 8]; 2] {
    let (left, right) = both.split_at(8);
    [left.try_into().unwrap_or_default(), right.try_into().unwrap_or_default()]
}
