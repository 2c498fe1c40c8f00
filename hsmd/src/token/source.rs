//! Where the supervisor gets its module from: the PKCS#11 library and token of the configuration, opened as often as it takes.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cryptoki::context::Pkcs11;
use zeroize::Zeroizing;

use crate::module::{Fault, Module};
use crate::token::{OpenError, Token, TokenConfig};

/// Where modules come from, and what a supervisor must be able to ask of one.
pub(crate) trait Source {
    type Module: Module;
    fn open(&mut self) -> Result<Self::Module, String>;
    /// Lets go of a module after every handle to its keys has been dropped.
    fn close(&mut self, module: Self::Module);
    fn created(module: &Self::Module) -> u64;
    /// Whether the token answers; serving from session copies may go on when it does not.
    fn probe(module: &Self::Module) -> Result<(), Fault>;
    /// Whether the token, which stopped answering, would be found by opening the module anew. Asked while the old module is
    /// still open and serving.
    fn would_open(&mut self) -> bool;
    /// Somebody says that what kept the module from opening may have been mended.
    fn forgive(&mut self);
}

/// The configured token.
pub(crate) struct Pkcs11Source {
    /// Loaded at the first opening that finds it; it stays loaded for the life of the process.
    library: Option<Pkcs11>,
    config: TokenConfig,
    config_file: PathBuf,
    /// A child of this program that tries to open the token.
    scout: Option<Child>,
    /// The PIN that was refused last: real modules lock themselves after a few wrong ones.
    refused_pin: Option<Zeroizing<Vec<u8>>>,
}

impl Pkcs11Source {
    /// `config_file` is where this was read from: the scout reads it too.
    pub(crate) fn new(config: &TokenConfig, config_file: &Path) -> Self {
        Self {
            library: None,
            config: config.clone(),
            config_file: config_file.to_owned(),
            scout: None,
            refused_pin: None,
        }
    }

    fn library(&mut self) -> Result<Pkcs11, OpenError> {
        if let Some(library) = &self.library {
            return Ok(library.clone());
        }
        let library = self.config.library()?;
        Ok(self.library.insert(library).clone())
    }

    fn try_open(&mut self) -> Result<Token, OpenError> {
        let library = self.library()?;
        // a file that cannot be read is reported by the opening itself
        let pin = std::fs::read(&self.config.user_pin_file).ok().map(Zeroizing::new);
        if self.refused_pin.is_some() && self.refused_pin == pin {
            return Err(OpenError::WrongPin(self.config.user_pin_file.clone()));
        }
        let opened = Token::open(&library, &self.config);
        self.refused_pin = if matches!(opened, Err(OpenError::WrongPin(_))) { pin } else { None };
        opened
    }

    fn send_scout(&mut self) {
        let child = std::env::current_exe().and_then(|program| {
            Command::new(program)
                .arg("open-token")
                .arg("--config")
                .arg(&self.config_file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
        });
        match child {
            Ok(child) => self.scout = Some(child),
            Err(error) => tracing::warn!(%error, "no child to look for the token"),
        }
    }
}

impl Source for Pkcs11Source {
    type Module = Token;

    fn open(&mut self) -> Result<Token, String> {
        self.try_open().map_err(|error| error.to_string())
    }

    fn close(&mut self, module: Token) {
        module.close();
    }

    fn created(module: &Token) -> u64 {
        module.created()
    }

    fn probe(module: &Token) -> Result<(), Fault> {
        module.probe()
    }

    /// SoftHSM never sees a token again that it has lost: only a fresh initialization does, and that is what would cost the
    /// session copies that still serve. So a process of its own tries first, and is asked the next time.
    fn would_open(&mut self) -> bool {
        match self.scout.take() {
            None => self.send_scout(),
            Some(mut scout) => match scout.try_wait() {
                Ok(None) => self.scout = Some(scout),
                Ok(Some(ended)) if ended.success() => return true,
                Ok(Some(_)) | Err(_) => self.send_scout(),
            },
        }
        false
    }

    fn forgive(&mut self) {
        self.refused_pin = None;
    }
}

/// Opens the token and closes it again.
pub(crate) fn opens(config: &TokenConfig) -> bool {
    config.library().and_then(|library| Token::open(&library, config)).map(Token::close).is_ok()
}
