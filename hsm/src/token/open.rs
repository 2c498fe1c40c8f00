//! Finding the token, logging in, copying its keys; and letting go of it.
use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Held, Object, Token};
use crate::KeyName;
use crate::key_kind::KeyKind;

/// Where the module and its token are.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenConfig {
    /// The PKCS#11 library.
    pub module: PathBuf,
    /// Label of the token; slot numbers change from start to start.
    pub label: String,
    /// File with the user PIN, one line.
    pub user_pin_file: PathBuf,
    /// File with the security officer's PIN; only the ceremony reads it.
    pub so_pin_file: PathBuf,
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
    #[error("module: {0}")]
    Module(#[from] Error),
}

/// SoftHSM rewrites a file of the token at each login; two processes that start together collide.
const LOGIN_ATTEMPTS: u32 = 8;
const LOGIN_PAUSE: Duration = Duration::from_millis(25);

/// The module may use the system's locks; that is all it is told.
pub(crate) fn arguments() -> CInitializeArgs {
    CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)
}

impl TokenConfig {
    /// Loads the library; it stays loaded for the life of the process, however often it is initialized.
    pub(crate) fn library(&self) -> Result<Pkcs11, OpenError> {
        Pkcs11::new(&self.module).map_err(|error| OpenError::Library(self.module.clone(), error))
    }
}

pub(crate) fn read_pin(file: &Path) -> Result<AuthPin, OpenError> {
    let text = std::fs::read_to_string(file).map_err(|error| OpenError::PinFile(file.to_owned(), error))?;
    let text = Zeroizing::new(text);
    Ok(AuthPin::from(text.trim_end().to_owned()))
}

/// The slot whose initialized token has this label.
pub(crate) fn find_slot(library: &Pkcs11, label: &str) -> Result<Option<Slot>, Error> {
    for slot in library.get_slots_with_initialized_token()? {
        if library.get_token_info(slot)?.label() == label {
            return Ok(Some(slot));
        }
    }
    Ok(None)
}

impl Token {
    /// Initializes the module, logs in and copies the keys.
    pub(crate) fn open(library: &Pkcs11, config: &TokenConfig) -> Result<Self, OpenError> {
        library.initialize(arguments())?;
        let opened = Self::log_in(library, config).and_then(|mut token| {
            token.copy_keys()?;
            Ok(token)
        });
        if opened.is_err() {
            // what was half opened must not stand in the way of the next attempt
            let _ = library.clone().finalize();
        }
        opened
    }

    /// A session on the labelled token of an initialized module, without any key.
    pub(crate) fn log_in(library: &Pkcs11, config: &TokenConfig) -> Result<Self, OpenError> {
        let slot = find_slot(library, &config.label)?.ok_or_else(|| OpenError::NoToken(config.label.clone()))?;
        let pin = read_pin(&config.user_pin_file)?;
        let session = retried(|| {
            let session = library.open_rw_session(slot)?;
            session.login(UserType::User, Some(&pin))?;
            Ok(session)
        })?;
        Ok(Self {
            keys: HashMap::new(),
            probe: None,
            session: Rc::new(session),
            library: library.clone(),
            slot,
            created: Cell::new(0),
        })
    }

    /// Makes a session copy of each key whose name says what it is for. Foreign objects are left alone.
    fn copy_keys(&mut self) -> Result<(), OpenError> {
        let wanted = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::Token(true)];
        for handle in self.session.find_objects(&wanted)? {
            let Some((name, kind)) = identity(&self.session, handle)? else { continue };
            if self.keys.contains_key(&name) {
                return Err(OpenError::TwoKeys(name));
            }
            self.adopt(name, kind, handle)?;
        }
        Ok(())
    }

    /// Makes a token object usable under its name.
    pub(super) fn adopt(&mut self, name: KeyName, kind: KeyKind, handle: ObjectHandle) -> Result<(), Error> {
        if kind == KeyKind::PinDes {
            self.probe = Some(handle);
        }
        let copy = self.session.copy_object(handle, &[Attribute::Token(false)])?;
        self.created.set(self.created.get() + 1);
        self.keys.insert(name, Object(Rc::new(Held { session: Rc::clone(&self.session), handle: copy, kind })));
        Ok(())
    }

    /// Lets go of the module. Every handle must have been dropped: finalizing under a live operation crashes SoftHSM.
    pub(crate) fn close(self) {
        let library = self.library.clone();
        drop(self);
        if let Err(error) = library.finalize() {
            tracing::warn!(%error, "finalizing the module");
        }
    }
}

/// Name and kind of a token object, if it is one of ours.
fn identity(session: &Session, handle: ObjectHandle) -> Result<Option<(KeyName, KeyKind)>, Error> {
    let attributes = session.get_attributes(handle, &[AttributeType::Label, AttributeType::KeyType])?;
    let mut label = None;
    let mut is_aes = false;
    for attribute in attributes {
        match attribute {
            Attribute::Label(bytes) => label = String::from_utf8(bytes).ok(),
            Attribute::KeyType(key_type) => is_aes = key_type == KeyType::AES,
            _ => {}
        }
    }
    let name = label.and_then(|label| KeyName::new(label).ok());
    Ok(name.and_then(|name| KeyKind::of(&name, is_aes).map(|kind| (name, kind))))
}

/// Tries a login again after what a collision with another process looks like.
pub(super) fn retried<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut tries = 1;
    loop {
        match attempt() {
            Err(Error::Pkcs11(RvError::GeneralError | RvError::DeviceError, _)) if tries < LOGIN_ATTEMPTS => {
                // processes that collided once must not keep step
                let spread = std::process::id() % 25;
                std::thread::sleep(LOGIN_PAUSE * tries + Duration::from_millis(spread.into()));
                tries += 1;
            }
            done => return done,
        }
    }
}
