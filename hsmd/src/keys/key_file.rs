//! The key file, which the daemon keeps beside the token: wrapped data keys, the generations of rotated keys, and the check
//! value of the transport key.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hsm::{DataKey, KeyName};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::hex::{hex, unhex};
use crate::keys::whole_file::write_whole;
use crate::module::key_generations::StoredGenerations;
use crate::module::key_kind::KeyKind;
use crate::module::{Fault, Module, generation};
use crate::verbs::issue::TRANSPORT;
use crate::verbs::kcv;

/// Wraps data keys.
pub(crate) const DATA_KEK: &str = "data-kek";

fn first() -> u8 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_first(generation: &u8) -> bool {
    *generation == 1
}

/// The file `data-keys.json` in the keys folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyFile {
    /// Of the first generation; absent until the ceremony has made the transport key.
    pub transport_kcv: Option<String>,
    pub data_keys: BTreeMap<String, WrappedKey>,
    /// Keys that have been rotated.
    #[serde(default)]
    pub generations: StoredGenerations,
}

/// A data key under `data-kek`, bound to its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrappedKey {
    pub kcv: String,
    /// Generation of `data-kek` that encrypts it.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub generation: u8,
    /// Hex of nonce (12), AES-256-GCM ciphertext, tag (16); the name is the associated data.
    pub wrapped: String,
}

impl KeyFile {
    pub(crate) fn path(keys_dir: &Path) -> PathBuf {
        keys_dir.join("data-keys.json")
    }

    /// An absent file counts as empty, as before the first ceremony.
    pub(crate) fn load(keys_dir: &Path) -> io::Result<Self> {
        match std::fs::read(Self::path(keys_dir)) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    /// When the file was changed last; `None` while there is none.
    pub(crate) fn changed(keys_dir: &Path) -> Option<SystemTime> {
        std::fs::metadata(Self::path(keys_dir)).and_then(|file| file.modified()).ok()
    }

    pub(crate) fn save(&self, keys_dir: &Path) -> io::Result<()> {
        write_whole(&Self::path(keys_dir), &serde_json::to_vec_pretty(self)?)
    }

    /// Check value of a generation of the transport key; a delivery file has it in its head.
    pub(crate) fn transport_kcv_of(&self, number: u8) -> Option<&str> {
        let later = || self.generations.get(TRANSPORT)?.get(&number)?.check_value.as_deref();
        if number == 1 { self.transport_kcv.as_deref() } else { later() }
    }

    /// Check value of the generation that seals deliveries now.
    pub(crate) fn transport_kcv_now<M: Module>(&self, module: &M) -> Result<&str, Fault> {
        let number = module.generations(&KeyName::fixed(TRANSPORT)).map_or(1, |generations| generations.current);
        self.transport_kcv_of(number).ok_or_else(|| Fault::KeyMissing(TRANSPORT.into()))
    }

    /// Unwraps a data key.
    pub(crate) fn open<M: Module>(&self, module: &M, name: &str) -> Result<DataKey, Fault> {
        let missing = || Fault::KeyMissing(format!("data key {name}"));
        let wrapped = self.data_keys.get(name).ok_or_else(missing)?;
        let bytes = unhex(&wrapped.wrapped).ok_or_else(missing)?;
        let (nonce, sealed) = bytes.split_first_chunk::<12>().ok_or_else(missing)?;
        let kek = generation::exactly(module, &KeyName::fixed(DATA_KEK), wrapped.generation)?;
        let key = module.open(&kek, nonce, name.as_bytes(), sealed)?.ok_or_else(missing)?;
        Ok(DataKey::new(key.as_slice().try_into().map_err(|_| missing())?))
    }

    /// Draws and wraps a data key.
    pub(crate) fn draw<M: Module>(&mut self, module: &M, name: &str) -> Result<String, Fault> {
        let mut key = Zeroizing::new([0; 32]);
        module.random(&mut *key)?;
        self.wrap(module, name, &key)
    }

    /// Wraps a data key under the newest generation of `data-kek`, if an older one encrypts it. The data key passes through this
    /// process's memory, as it does whenever a program asks for it: PKCS#11 does not count AES-GCM as a key wrap.
    pub(crate) fn rewrap<M: Module>(&mut self, module: &M, name: &str) -> Result<bool, Fault> {
        let (_, newest) = generation::current(module, &KeyName::fixed(DATA_KEK))?;
        if self.data_keys.get(name).is_none_or(|key| key.generation == newest) {
            return Ok(false);
        }
        let key = self.open(module, name)?;
        self.wrap(module, name, key.expose())?;
        Ok(true)
    }

    fn wrap<M: Module>(&mut self, module: &M, name: &str, key: &[u8; 32]) -> Result<String, Fault> {
        let mut nonce = [0; 12];
        module.random(&mut nonce)?;
        let (kek, generation) = generation::current(module, &KeyName::fixed(DATA_KEK))?;
        let sealed = module.seal(&kek, &nonce, name.as_bytes(), key)?;
        let kcv = kcv::of_clear_key(module, KeyKind::DataKek, key)?;
        let wrapped = hex(&[&nonce[..], &sealed].concat());
        self.data_keys.insert(name.to_owned(), WrappedKey { kcv: kcv.clone(), generation, wrapped });
        Ok(kcv)
    }
}
