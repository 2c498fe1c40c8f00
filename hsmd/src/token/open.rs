//! Opening the token: finding it, logging in, copying its keys; and closing it.
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::hash::RandomState;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use hsm::KeyName;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::operations::TemporaryOperations;
use super::token_key::Sessions;
use super::{Probe, Token, TokenKey, fault};
use crate::module::Fault;
use crate::module::key_kind::KeyKind;
use crate::recent_cache::RecentCache;
use crate::token::p11::{self, Functions};

/// Where the module and its token are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// Text that the module is initialized with. Only for a module that expects one: another one would misread the pointer.
    #[serde(default)]
    pub init_arguments: Option<String>,
    /// Whether a key's mechanisms are written on it (CKA_ALLOWED_MECHANISMS). Not every module can store them.
    #[serde(default = "written")]
    pub allowed_mechanisms: bool,
    /// Label of the token; slot numbers change from start to start.
    pub label: String,
    /// File with the user PIN, one line.
    pub user_pin_file: PathBuf,
    /// File with the security officer's PIN; only the ceremony reads it. None: the officer's PIN is empty.
    #[serde(default)]
    pub so_pin_file: Option<PathBuf>,
    /// Card keys cached inside the module for cards that are used again; 0 caches none.
    #[serde(default = "default_card_keys")]
    pub card_keys: usize,
    /// Key sets whose card keys are computed by this process (fast) instead of by the module (strict). The ceremony makes their
    /// master key with the right to encrypt; a set whose master key may only derive stays strict.
    #[serde(default)]
    pub fast_card_keys: Vec<String>,
}

fn written() -> bool {
    true
}

fn default_card_keys() -> usize {
    4096
}

/// Why the token could not be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    #[error("PKCS#11 module {0}: {1}")]
    Library(PathBuf, Error),
    #[error("no token is labelled {0:?} (run `hsmd ceremony`; is SOFTHSM2_CONF set?)")]
    NoToken(String),
    #[error("PIN file {0}: {1}")]
    PinFile(PathBuf, std::io::Error),
    #[error("the token holds two keys named {0}")]
    TwoKeys(KeyName),
    #[error("the module refuses the PIN in {0}; it is not tried again until the file changes or SIGHUP")]
    WrongPin(PathBuf),
    #[error("module: {0}")]
    Module(#[from] Error),
}

/// SoftHSM rewrites a file of the token at each login; two processes that start together collide.
const LOGIN_ATTEMPTS: u32 = 6;
const LOGIN_PAUSE: Duration = Duration::from_millis(20);

impl TokenConfig {
    /// Loads the library; it stays loaded for the life of the process, however often it is initialized.
    pub(crate) fn library(&self) -> Result<Pkcs11, OpenError> {
        Pkcs11::new(&self.module).map_err(|error| OpenError::Library(self.module.clone(), error))
    }

    /// The library's functions, for what cryptoki does not do.
    pub(crate) fn functions(&self) -> Result<Functions, OpenError> {
        Functions::of(&self.module).map_err(|error| OpenError::Library(self.module.clone(), error))
    }

    /// Initializes it.
    pub(crate) fn initialize(&self, library: &Pkcs11) -> Result<(), Error> {
        p11::initialize(library, self.init_arguments.as_deref())
    }
}

pub(crate) fn read_pin(file: &Path) -> Result<AuthPin, OpenError> {
    let text = std::fs::read_to_string(file).map_err(|error| OpenError::PinFile(file.to_owned(), error))?;
    let text = Zeroizing::new(text);
    Ok(AuthPin::from(text.trim_end().to_owned()))
}

/// The slot whose initialized token has this label.
pub(crate) fn find_slot(library: &Pkcs11, functions: &Functions, label: &str) -> Result<Option<Slot>, Error> {
    for slot in library.get_slots_with_token()? {
        let token = functions.token(slot)?;
        if token.is_initialised && token.label == label {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

impl Token {
    /// Initializes the module, logs in and copies the keys.
    pub(crate) fn open(library: &Pkcs11, config: &TokenConfig) -> Result<Self, OpenError> {
        config.initialize(library)?;
        let opened = Self::log_in(library, config).and_then(|mut token| {
            token.copy_keys(&config.fast_card_keys)?;
            Ok(token)
        });
        if opened.is_err() {
            // a half-opened module must not block the next attempt
            let _ = library.clone().finalize();
        }
        opened
    }

    /// A session on the labelled token of an initialized module, without any key.
    pub(crate) fn log_in(library: &Pkcs11, config: &TokenConfig) -> Result<Self, OpenError> {
        let functions = config.functions()?;
        // another process's login rewrites the file that this reads
        let slot = retried(|| find_slot(library, &functions, &config.label))?;
        let slot = slot.ok_or_else(|| OpenError::NoToken(config.label.clone()))?;
        let pin = read_pin(&config.user_pin_file)?;
        let session = retried(|| {
            let session = library.open_rw_session(slot)?;
            session.login(UserType::User, Some(&pin))?;
            Ok(session)
        });
        let session = session.map_err(|error| match error {
            Error::Pkcs11(
                RvError::PinIncorrect | RvError::PinLocked | RvError::PinInvalid | RvError::PinLenRange,
                _,
            ) => OpenError::WrongPin(config.user_pin_file.clone()),
            other => other.into(),
        })?;
        Ok(Self {
            keys: HashMap::new(),
            card_keys: RefCell::new(RecentCache::new(config.card_keys)),
            cards_seen: RefCell::new(RecentCache::new(config.card_keys)),
            hasher: RandomState::new(),
            generations: RefCell::default(),
            probe: None,
            sessions: Rc::new(Sessions { session, temporary: TemporaryOperations::new(library.clone(), slot) }),
            library: library.clone(),
            functions,
            slot,
            writes_mechanisms: config.allowed_mechanisms,
            created: Cell::new(0),
        })
    }

    /// Makes a session copy of each key with a valid key name. Other objects are ignored.
    fn copy_keys(&mut self, fast: &[String]) -> Result<(), OpenError> {
        let wanted = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
        for handle in self.session().find_objects(&wanted)? {
            let Some(NamedKey { name, mut kind, may_encrypt }) = identity(self.session(), handle)? else { continue };
            if self.keys.contains_key(&name) {
                return Err(OpenError::TwoKeys(name));
            }
            if matches!(kind, KeyKind::ImkAc | KeyKind::ImkSmi | KeyKind::ImkSmc)
                && fast.iter().any(|set| name.is_of(set))
            {
                if may_encrypt {
                    kind = KeyKind::ImkAcFast;
                } else {
                    tracing::warn!(%name, "made to derive only: its card keys stay inside the module");
                }
            }
            self.adopt(name, kind, handle)?;
        }
        Ok(())
    }

    /// Makes a token object usable under its name.
    pub(super) fn adopt(&mut self, name: KeyName, kind: KeyKind, handle: ObjectHandle) -> Result<(), Error> {
        if name == KeyName::audit() {
            // a module that cannot do this fails at the first probe
            let expected = self.compute_probe(handle).unwrap_or_default();
            self.probe = Some(Probe { handle, expected });
        }
        let copy = self.copy(handle, kind)?;
        self.keys.insert(name, copy);
        Ok(())
    }

    /// The session copy of a key, with which verbs are served.
    fn copy(&self, handle: ObjectHandle, kind: KeyKind) -> Result<TokenKey, Error> {
        let copy = self.session().copy_object(handle, &[Attribute::Token(false)])?;
        self.created.set(self.created.get() + 1);
        Ok(TokenKey::permanent(&self.sessions, copy, kind))
    }

    /// The session copy of a temporary key, for a module check.
    pub(crate) fn serving_copy(&self, key: &TokenKey) -> Result<TokenKey, Fault> {
        self.copy(key.handle()?, key.kind()).map_err(fault)
    }

    /// Closes the module. Every handle must have been dropped: finalizing under a live operation crashes SoftHSM.
    pub(crate) fn close(self) {
        let library = self.library.clone();
        drop(self);
        if let Err(error) = library.finalize() {
            tracing::warn!(%error, "finalizing the module");
        }
    }
}

/// A token object with a valid key name.
struct NamedKey {
    name: KeyName,
    kind: KeyKind,
    may_encrypt: bool,
}

fn identity(session: &Session, handle: ObjectHandle) -> Result<Option<NamedKey>, Error> {
    let wanted = [AttributeType::Label, AttributeType::KeyType, AttributeType::Encrypt];
    let (mut label, mut is_aes, mut may_encrypt) = (None, false, false);
    for attribute in session.get_attributes(handle, &wanted)? {
        match attribute {
            Attribute::Label(bytes) => label = String::from_utf8(bytes).ok(),
            Attribute::KeyType(key_type) => is_aes = key_type == KeyType::AES,
            Attribute::Encrypt(may) => may_encrypt = may,
            _ => {}
        }
    }
    let name = label.and_then(|label| KeyName::new(label).ok());
    // a later generation is of its key's kind
    let kind = |name: &KeyName| KeyKind::of(&name.split_generation().0, is_aes);
    Ok(name.and_then(|name| kind(&name).map(|kind| NamedKey { name, kind, may_encrypt })))
}

/// Repeats a login after an error that a collision with another process causes.
pub(super) fn retried<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(Error::Pkcs11(RvError::GeneralError | RvError::DeviceError, _)) if tries < LOGIN_ATTEMPTS => {
                // processes that collided once must not retry at the same time
                let spread = std::process::id() % 25;
                std::thread::sleep(LOGIN_PAUSE * tries + Duration::from_millis(spread.into()));
                tries += 1;
            }
            done => return done,
        }
    }
}
