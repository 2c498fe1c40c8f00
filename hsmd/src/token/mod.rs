//! A PKCS#11 token, open and logged in, with a session copy of each of its keys.
//!
//! Session copies, because SoftHSM re-reads the files of a token object on every use (17 µs instead of 6). Everything here
//! stays on one thread: handles share the session by `Rc`.
//!
//! Card keys are derived inside the module and cached there for cards that are used again (*strict*), or, for the key sets that
//! the configuration names, computed in this process (*fast*).
mod attributes;
mod description;
mod error;
mod exchange;
mod keys;
mod memory;
mod open;
mod operations;
#[allow(unsafe_code)]
pub(crate) mod p11;
pub(crate) mod source;
mod token_key;

#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::aead::GcmParams;
use cryptoki::mechanism::misc::KeyDerivationStringData;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use hsm::KeyName;
use zeroize::Zeroizing;

use crate::des_key::odd_parity;
use crate::module::key_generations::{KeyGenerations, StoredGenerations};
use crate::module::key_kind::{KeyKind, Material};
use crate::module::{Fault, Module};
use crate::recent_cache::RecentCache;
use attributes::Exposure;
pub(crate) use attributes::Extraction;
pub(crate) use description::ModuleDescription;
pub use error::TokenError;
pub(crate) use exchange::WrapForm;
pub(crate) use keys::initialise_token;
pub(crate) use open::{OpenError, TokenConfig, find_slot, read_pin};
use operations::BlockOperation;
use token_key::Sessions;
pub(crate) use token_key::TokenKey;

/// Bytes that AES-GCM adds to the plaintext: its tag.
const TAG: usize = 16;
/// Bytes that AES key wrap adds to the key (RFC 3394).
const WRAP_OVERHEAD: usize = 8;

/// The open token.
pub(crate) struct Token {
    // declared first: handles must be dropped before the session
    keys: HashMap<KeyName, TokenKey>,
    /// Recently used card keys, by master key and derivation data.
    card_keys: RefCell<RecentCache<(u64, [u8; 16]), TokenKey>>,
    /// Hashes of recently used cards. A card's key is cached from its second use on: keeping an object costs SoftHSM as much as
    /// making it, mostly when it is destroyed, and many cards are used only once.
    cards_seen: RefCell<RecentCache<u64, ()>>,
    hasher: RandomState,
    /// Of the keys that have been rotated.
    generations: RefCell<HashMap<KeyName, KeyGenerations>>,
    probe: Option<Probe>,
    sessions: Rc<Sessions>,
    library: Pkcs11,
    functions: p11::Functions,
    slot: Slot,
    writes_mechanisms: bool,
    created: Cell<u64>,
}

/// The health probe: a token object, and the result of its computation when the token was opened.
struct Probe {
    handle: ObjectHandle,
    expected: Vec<u8>,
}

impl Token {
    /// Objects created since the module was initialized. Each leaves some 250 bytes behind in SoftHSM 2.6 until it is
    /// finalized.
    pub(crate) fn created(&self) -> u64 {
        self.created.get()
    }

    /// Whether the token itself still answers, and correctly. Reading session information, opening a session and searching still
    /// succeed when the token has gone; using a token object and reading the token's information fail.
    pub(crate) fn probe(&self) -> Result<(), Fault> {
        self.functions.token(self.slot).map_err(fault)?;
        let Some(probe) = &self.probe else { return Ok(()) };
        if self.compute_probe(probe.handle)? == probe.expected {
            Ok(())
        } else {
            Err(Fault::Device("the token computes with another key".into()))
        }
    }

    /// The CMAC of one zero block under the audit key, which every ceremony makes.
    fn compute_probe(&self, audit: ObjectHandle) -> Result<Vec<u8>, Fault> {
        self.session().sign(&Mechanism::AesCMac, audit, &[0; 16]).map_err(fault)
    }

    fn template(&self, kind: KeyKind, exposure: Exposure) -> Vec<Attribute> {
        attributes::template(kind, exposure, self.writes_mechanisms)
    }

    fn temporary(&self, handle: ObjectHandle, kind: KeyKind) -> TokenKey {
        self.created.set(self.created.get() + 1);
        TokenKey::temporary(&self.sessions, handle, kind)
    }

    fn session(&self) -> &Session {
        &self.sessions.session
    }

    fn encrypt<const N: usize>(
        &self,
        mechanism: &Mechanism<'_>,
        key: &TokenKey,
        data: &[u8],
    ) -> Result<[u8; N], Fault> {
        exact(&key.blocks(BlockOperation::Encrypt, mechanism, data)?)
    }

    fn decrypt<const N: usize>(
        &self,
        mechanism: &Mechanism<'_>,
        key: &TokenKey,
        data: &[u8],
    ) -> Result<[u8; N], Fault> {
        exact(&key.blocks(BlockOperation::Decrypt, mechanism, data)?)
    }

    /// A card key inside the module: from the cache, if the card was used recently.
    fn card_key(&self, master: &TokenKey, data: &[u8; 16]) -> Result<TokenKey, Fault> {
        let place = (master.handle()?.handle(), *data);
        if let Some(key) = self.card_keys.borrow_mut().get(&place) {
            return Ok(key);
        }
        let key = self.temporary(self.derive_handle(master, data, Exposure::Hidden)?, KeyKind::Derived);
        let seen = self.hasher.hash_one(place);
        if self.cards_seen.borrow_mut().get(&seen).is_some() {
            self.card_keys.borrow_mut().put(place, key.clone());
        } else {
            self.cards_seen.borrow_mut().put(seen, ());
        }
        Ok(key)
    }

    /// A card key in memory: the module encrypts the same two blocks from which it would have derived it.
    fn card_key_in_memory(&self, master: &TokenKey, data: &[u8; 16]) -> Result<TokenKey, Fault> {
        let mut key = Zeroizing::new(self.encrypt::<16>(&Mechanism::Des3Ecb, master, data)?);
        odd_parity(&mut *key);
        Ok(TokenKey::in_memory(&key, KeyKind::Derived))
    }

    fn unwrap_exposed(
        &self,
        storage: &TokenKey,
        wrap: &[u8],
        kind: KeyKind,
        exposure: Exposure,
    ) -> Result<Option<TokenKey>, Fault> {
        match self.session().unwrap_key(&Mechanism::AesKeyWrap, storage.handle()?, wrap, &self.template(kind, exposure))
        {
            Ok(handle) => Ok(Some(self.temporary(handle, kind))),
            Err(error) if may_be_a_mismatch(&error) => {
                // if the storage key still wraps, the block was wrong and the module is sound
                let control = self.import(KeyKind::PinDes, &[0x01; 16])?;
                self.wrap(storage, &control).map(|_| None)
            }
            Err(error) => Err(fault(error)),
        }
    }

    fn derive_handle(&self, key: &TokenKey, data: &[u8; 16], exposure: Exposure) -> Result<ObjectHandle, Fault> {
        let parameter = KeyDerivationStringData::new(data);
        let mechanism = p11::des3_ecb_encrypt_data(&parameter);
        self.session().derive_key(&mechanism, key.handle()?, &self.template(KeyKind::Derived, exposure)).map_err(fault)
    }
}

fn exact<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Fault> {
    bytes.try_into().map_err(|_| Fault::Device("an answer of unexpected length".into()))
}

/// Sorts the module's errors by whose fault they are. An error that is not known to be the caller's or the policy's counts as the
/// module's.
fn fault(error: Error) -> Fault {
    match error {
        Error::Pkcs11(RvError::KeyFunctionNotPermitted | RvError::KeyTypeInconsistent, _) => {
            Fault::Refused("the key may not be used so")
        }
        Error::Pkcs11(RvError::MechanismInvalid, _) => Fault::Refused("no such mechanism, or not with this key"),
        Error::Pkcs11(RvError::DataLenRange | RvError::EncryptedDataLenRange | RvError::DataInvalid, _) => {
            Fault::Request("length of the data")
        }
        Error::Pkcs11(answer, function) => Fault::Device(format!("{function:?}: {answer:?}")),
        other => Fault::Device(other.to_string()),
    }
}

/// SoftHSM reports a wrong tag or wrap as a general error.
fn may_be_a_mismatch(error: &Error) -> bool {
    matches!(
        error,
        Error::Pkcs11(
            RvError::GeneralError
                | RvError::EncryptedDataInvalid
                | RvError::EncryptedDataLenRange
                | RvError::WrappedKeyInvalid
                | RvError::WrappedKeyLenRange
                | RvError::SignatureInvalid,
            _
        )
    )
}

impl Module for Token {
    type Key = TokenKey;

    fn find(&self, name: &KeyName) -> Result<TokenKey, Fault> {
        self.keys.get(name).cloned().ok_or_else(|| Fault::KeyMissing(name.to_string()))
    }

    fn generations(&self, name: &KeyName) -> Option<KeyGenerations> {
        self.generations.borrow().get(name).cloned()
    }

    fn set_generations(&self, generations: &StoredGenerations, now_s: i64) {
        let learned = generations.iter().filter_map(|(name, known)| {
            let name = KeyName::new(name.as_str()).ok()?;
            let holds = |number: u8| {
                let label = if number == 1 { name.clone() } else { name.generation(number) };
                self.keys.contains_key(&label) && known.get(&number).is_some_and(|generation| !generation.retired)
            };
            let generations = KeyGenerations::of(known, now_s, holds)?;
            Some((name, generations))
        });
        *self.generations.borrow_mut() = learned.collect();
    }

    fn kind(&self, key: &TokenKey) -> KeyKind {
        key.kind()
    }

    fn random(&self, out: &mut [u8]) -> Result<(), Fault> {
        self.session().generate_random_slice(out).map_err(fault)
    }

    fn des_encrypt(&self, key: &TokenKey, block: &[u8; 8]) -> Result<[u8; 8], Fault> {
        if let Some(key) = key.memory() {
            return Ok(key.encrypt(block));
        }
        self.encrypt(&Mechanism::Des3Ecb, key, block)
    }

    fn des_decrypt(&self, key: &TokenKey, block: &[u8; 8]) -> Result<[u8; 8], Fault> {
        if let Some(key) = key.memory() {
            return Ok(key.decrypt(block));
        }
        self.decrypt(&Mechanism::Des3Ecb, key, block)
    }

    fn des_chain(&self, key: &TokenKey, data: &[u8]) -> Result<[u8; 8], Fault> {
        if let Some(key) = key.memory() {
            return key.chain(data).ok_or(Fault::Request("a chain of whole blocks"));
        }
        if !data.len().is_multiple_of(8) {
            // an open operation would wait for the rest of the block
            return Err(Fault::Request("a chain of whole blocks"));
        }
        let chained = key.blocks(BlockOperation::Chain, &Mechanism::Des3Cbc([0; 8]), data)?;
        chained.last_chunk::<8>().copied().ok_or(Fault::Request("an empty chain"))
    }

    fn aes_encrypt(&self, key: &TokenKey, block: &[u8; 16]) -> Result<[u8; 16], Fault> {
        self.encrypt(&Mechanism::AesEcb, key, block)
    }

    fn aes_decrypt(&self, key: &TokenKey, block: &[u8; 16]) -> Result<[u8; 16], Fault> {
        self.decrypt(&Mechanism::AesEcb, key, block)
    }

    fn aes_cmac(&self, key: &TokenKey, data: &[u8]) -> Result<[u8; 16], Fault> {
        exact(&self.session().sign(&Mechanism::AesCMac, key.handle()?, data).map_err(fault)?)
    }

    fn seal(&self, key: &TokenKey, nonce: &[u8; 12], aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut nonce = *nonce;
        let parameters = GcmParams::new(&mut nonce, aad, 128.into()).map_err(fault)?;
        let mechanism = Mechanism::AesGcm(parameters);
        self.functions.encrypt(self.session(), &mechanism, key.handle()?, plain, plain.len() + TAG).map_err(fault)
    }

    fn open(
        &self,
        key: &TokenKey,
        nonce: &[u8; 12],
        aad: &[u8],
        sealed: &[u8],
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Fault> {
        let mut nonce = *nonce;
        let parameters = GcmParams::new(&mut nonce, aad, 128.into()).map_err(fault)?;
        match self.session().decrypt(&Mechanism::AesGcm(parameters), key.handle()?, sealed) {
            Ok(plain) => Ok(Some(Zeroizing::new(plain))),
            Err(error) if may_be_a_mismatch(&error) => {
                // if the same key still encrypts, the tag was wrong and the module is sound
                self.seal(key, &[0; 12], b"", b"").map(|_| None)
            }
            Err(error) => Err(fault(error)),
        }
    }

    fn hmac_sha256(&self, key: &TokenKey, data: &[u8]) -> Result<[u8; 32], Fault> {
        exact(&self.session().sign(&Mechanism::Sha256Hmac, key.handle()?, data).map_err(fault)?)
    }

    fn derive(&self, key: &TokenKey, data: &[u8; 16]) -> Result<TokenKey, Fault> {
        if let Some(card) = key.memory() {
            return Ok(TokenKey::in_memory(&card.derive(data), KeyKind::Derived));
        }
        if key.kind() == KeyKind::ImkAcFast {
            return self.card_key_in_memory(key, data);
        }
        if key.is_permanent() {
            return self.card_key(key, data);
        }
        Ok(self.temporary(self.derive_handle(key, data, Exposure::Hidden)?, KeyKind::Derived))
    }

    fn derive_exposed(&self, key: &TokenKey, data: &[u8; 16]) -> Result<Zeroizing<[u8; 16]>, Fault> {
        let derived = self.temporary(self.derive_handle(key, data, Exposure::Readable)?, KeyKind::Derived);
        Ok(Zeroizing::new(exact(&self.value(&derived)?)?))
    }

    fn derive_as(&self, base: &TokenKey, kind: KeyKind, data: &[u8], length: usize) -> Result<TokenKey, Fault> {
        let parameter = KeyDerivationStringData::new(data);
        let mechanism = match base.kind().material() {
            Material::Aes(_) => p11::aes_ecb_encrypt_data(&parameter),
            Material::Des2 | Material::Secret => p11::des3_ecb_encrypt_data(&parameter),
        };
        let mut attributes = self.template(kind, Exposure::Hidden);
        match (kind.material(), length) {
            (Material::Aes(_), 16 | 24 | 32) => attributes.push(Attribute::ValueLen((length as u64).into())),
            (Material::Des2, 16) => {}
            (Material::Des2, 24) => make_triple(&mut attributes),
            _ => return Err(Fault::Request("length of the key")),
        }
        Ok(self.temporary(self.session().derive_key(&mechanism, base.handle()?, &attributes).map_err(fault)?, kind))
    }

    fn length(&self, key: &TokenKey) -> Result<usize, Fault> {
        let attributes = self
            .session()
            .get_attributes(key.handle()?, &[AttributeType::KeyType, AttributeType::ValueLen])
            .map_err(fault)?;
        for attribute in attributes {
            match attribute {
                Attribute::KeyType(KeyType::DES2) => return Ok(16),
                Attribute::KeyType(KeyType::DES3) => return Ok(24),
                Attribute::ValueLen(length) => return Ok(u64::from(length) as usize),
                _ => {}
            }
        }
        Err(Fault::Device("a key without a length".into()))
    }

    fn import(&self, kind: KeyKind, value: &[u8]) -> Result<TokenKey, Fault> {
        let mut attributes = self.template(kind, Exposure::Wrappable);
        match (kind.material(), value.len()) {
            // SoftHSM would take any length for any type
            (Material::Des2, 16) | (Material::Aes(_), 16 | 24 | 32) | (Material::Secret, 32..) => {}
            (Material::Des2, 24) => make_triple(&mut attributes),
            _ => return Err(Fault::Request("length of the key")),
        }
        attributes.push(Attribute::Value(value.to_vec()));
        let created = self.session().create_object(&attributes).map_err(fault);
        wipe(attributes);
        Ok(self.temporary(created?, kind))
    }

    fn wrap(&self, storage: &TokenKey, key: &TokenKey) -> Result<Vec<u8>, Fault> {
        let mut wrap =
            self.session().wrap_key(&Mechanism::AesKeyWrap, storage.handle()?, key.handle()?).map_err(fault)?;
        // cryptoki returns as many bytes as the module asked room for, which may be more than it used
        wrap.truncate(self.length(key)? + WRAP_OVERHEAD);
        Ok(wrap)
    }

    fn unwrap(&self, storage: &TokenKey, wrap: &[u8], kind: KeyKind) -> Result<Option<TokenKey>, Fault> {
        self.unwrap_exposed(storage, wrap, kind, Exposure::Hidden)
    }

    fn rewrap(&self, from: &TokenKey, to: &TokenKey, wrap: &[u8], kind: KeyKind) -> Result<Option<Vec<u8>>, Fault> {
        // between the two wraps the key may leave the module in one way only: wrapped
        let passing = self.unwrap_exposed(from, wrap, kind, Exposure::Wrappable)?;
        let Some(key) = passing else { return Ok(None) };
        let mut again = self.session().wrap_key(&Mechanism::AesKeyWrap, to.handle()?, key.handle()?).map_err(fault)?;
        // the same key, so as long a wrap, whatever room the module asked for
        again.truncate(wrap.len());
        Ok(Some(again))
    }
}

/// Changes a template of double-length DES to triple length: partners' protection keys have either.
fn make_triple(attributes: &mut Vec<Attribute>) {
    attributes.retain(|attribute| !matches!(attribute, Attribute::KeyType(_)));
    attributes.push(Attribute::KeyType(KeyType::DES3));
}

/// Wipes the clear key that a template carried.
fn wipe(attributes: Vec<Attribute>) {
    for attribute in attributes {
        if let Attribute::Value(value) = attribute {
            drop(Zeroizing::new(value));
        }
    }
}
