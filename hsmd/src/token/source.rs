//! The source from which the supervisor opens its module, again and again: the PKCS#11 library and token of the configuration.
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cryptoki::context::Pkcs11;
use zeroize::Zeroizing;

use crate::module::{Fault, Module};
use crate::token::{OpenError, Token, TokenConfig};

/// Opens and closes modules for the supervisor, and reports their health.
pub(crate) trait ModuleSource {
    type Module: Module;
    /// Why a module could not be opened.
    type Error: std::error::Error;
    fn open(&mut self) -> Result<Self::Module, Self::Error>;
    /// Closes a module after every handle to its keys has been dropped.
    fn close(&mut self, module: Self::Module);
    /// Objects created since the module was opened.
    fn created(module: &Self::Module) -> u64;
    /// Whether the token answers. If it does not, session copies of its keys can still serve.
    fn probe(module: &Self::Module) -> Result<(), Fault>;
    /// Whether reopening the module would find a token that stopped answering. Called while the old module is still open and
    /// serves.
    fn would_open(&mut self) -> bool;
    /// Permits another attempt with a PIN that was refused: an operator has sent SIGHUP.
    fn allow_retry(&mut self);
}

/// The configured token.
pub(crate) struct Pkcs11Source {
    /// Loaded at the first opening that finds it; it stays loaded for the life of the process.
    library: Option<Pkcs11>,
    config: TokenConfig,
    config_file: PathBuf,
    /// A child process that tries to open the token.
    trial_open: Option<Child>,
    /// The PIN that was refused last. It is not tried again: real modules lock after a few wrong ones.
    refused_pin: Option<Zeroizing<Vec<u8>>>,
}

impl Pkcs11Source {
    /// `config_file` is the file that `config` was read from: the child process reads it too.
    pub(crate) fn new(config: &TokenConfig, config_file: &Path) -> Self {
        Self {
            library: None,
            config: config.clone(),
            config_file: config_file.to_owned(),
            trial_open: None,
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

    fn start_trial_open(&mut self) {
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
            Ok(child) => self.trial_open = Some(child),
            Err(error) => tracing::warn!(%error, "no child to look for the token"),
        }
    }
}

impl ModuleSource for Pkcs11Source {
    type Module = Token;

    type Error = OpenError;

    fn open(&mut self) -> Result<Token, OpenError> {
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

    fn close(&mut self, module: Token) {
        module.close();
    }

    fn created(module: &Token) -> u64 {
        module.created()
    }

    fn probe(module: &Token) -> Result<(), Fault> {
        module.probe()
    }

    /// SoftHSM finds a lost token again only after a fresh initialization, which would destroy the session copies that still
    /// serve. So a child process tries first, and the next call reads its result.
    fn would_open(&mut self) -> bool {
        match self.trial_open.take() {
            None => self.start_trial_open(),
            Some(mut trial_open) => match trial_open.try_wait() {
                Ok(None) => self.trial_open = Some(trial_open),
                Ok(Some(ended)) if ended.success() => return true,
                Ok(Some(_)) | Err(_) => self.start_trial_open(),
            },
        }
        false
    }

    fn allow_retry(&mut self) {
        self.refused_pin = None;
    }
}

/// Opens the token and closes it again.
pub(crate) fn opens(config: &TokenConfig) -> bool {
    config.library().and_then(|library| Token::open(&library, config)).map(Token::close).is_ok()
}
