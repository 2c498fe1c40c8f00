//! The token that `hsmd check-module` and `hsmd check-vectors` run on.
//!
//! Either a scratch token, in a folder of its own that is removed afterwards; or a named token, on which only session objects
//! are made and no key is used.
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use config_file::ConfigError;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::types::AuthPin;
use serde_json::{Map, Value};

use crate::check::module_check::{self, Report};
use crate::check::vector_check::{self, Tally};
use crate::config::Config;
use crate::token::p11::Functions;
use crate::token::{Token, TokenConfig, TokenError, find_slot, initialise_token, read_pin};

const SOFTHSM: &str = "/usr/lib/softhsm/libsofthsm2.so";
/// Label of a scratch token; a module that labels its token from its initialization text has to get this label there.
const LABEL: &str = "switchyard-scratch";
/// Placeholder for the scratch folder in a module's initialization text.
const FOLDER: &str = "{scratch}";

/// Which module and which token.
#[derive(Debug, clap::Args)]
pub struct TrialToken {
    /// The module and token of a configuration. Nothing is left on it, and none of its keys is used.
    #[arg(long, conflicts_with_all = ["module", "init_arguments", "label", "user_pin_file"])]
    config: Option<PathBuf>,
    /// The PKCS#11 library. SoftHSM gets a scratch token.
    #[arg(long, default_value = SOFTHSM)]
    module: PathBuf,
    /// Text that the module is initialized with. With {scratch} in it, which stands for a folder that is made for the check,
    /// the module gets a scratch token, to be labelled switchyard-scratch.
    #[arg(long)]
    init_arguments: Option<String>,
    /// An existing token. Nothing is left on it, and none of its keys is used.
    #[arg(long, requires = "user_pin_file")]
    label: Option<String>,
    /// File with that token's user PIN.
    #[arg(long, requires = "label")]
    user_pin_file: Option<PathBuf>,
    /// Set by the command itself when it starts itself again with a folder of its own.
    #[arg(long, hide = true)]
    scratch: Option<PathBuf>,
}

/// Why no trial could be made.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{0}")]
    Token(#[from] TokenError),
    #[error("scratch folder: {0}")]
    Folder(#[from] io::Error),
    #[error(
        "this module is not SoftHSM, and a scratch token could cost one that matters: name a token with --label and --user-pin-file"
    )]
    NoScratch,
}

macro_rules! trial_error {
    ($($cause:ty),*) => {$(
        impl From<$cause> for TrialError {
            fn from(cause: $cause) -> Self {
                Self::Token(cause.into())
            }
        }
    )*};
}
trial_error!(crate::token::OpenError, Error);

impl TrialToken {
    /// Whether [`on_scratch`] has to run first.
    pub fn wants_scratch(&self) -> bool {
        self.config.is_none() && self.label.is_none() && self.scratch.is_none()
    }

    fn open(&self) -> Result<Token, TrialError> {
        match &self.scratch {
            Some(folder) => self.open_scratch(folder),
            None => {
                let config = self.named()?;
                let library = config.library()?;
                config.initialize(&library)?;
                // without copying its keys, which are not needed here
                Ok(Token::log_in(&library, &config)?)
            }
        }
    }

    fn named(&self) -> Result<TokenConfig, TrialError> {
        if let Some(file) = &self.config {
            return Ok(Config::load(file)?.token);
        }
        let (label, pin) = (self.label.clone().unwrap_or_default(), self.user_pin_file.clone().unwrap_or_default());
        Ok(self.token_config(label, pin, self.init_arguments.clone()))
    }

    fn open_scratch(&self, folder: &Path) -> Result<Token, TrialError> {
        let pin_file = folder.join("user-pin");
        std::fs::write(&pin_file, "scratch-pin\n")?;
        let arguments = self.init_arguments.as_ref().map(|text| text.replace(FOLDER, &folder.display().to_string()));
        let is_own = arguments != self.init_arguments;
        let config = self.token_config(LABEL.into(), pin_file, arguments);
        let library = config.library()?;
        config.initialize(&library)?;
        if !is_own && library.get_library_info()?.manufacturer_id().trim() != "SoftHSM" {
            return Err(TrialError::NoScratch);
        }
        let functions = config.functions()?;
        if find_slot(&library, &functions, LABEL)?.is_none() {
            set_up(&library, &functions, &read_pin(&config.user_pin_file)?)?;
        }
        library.clone().finalize()?;
        Ok(Token::open(&library, &config)?)
    }

    fn token_config(&self, label: String, user_pin_file: PathBuf, init_arguments: Option<String>) -> TokenConfig {
        TokenConfig {
            module: self.module.clone(),
            init_arguments,
            allowed_mechanisms: true,
            label,
            user_pin_file,
            so_pin_file: None,
            card_keys: 0,
            fast_card_keys: Vec::new(),
        }
    }
}

/// Initializes a token. With some modules the security officer's PIN is chosen, with others it is empty at first.
fn set_up(library: &Pkcs11, functions: &Functions, pin: &AuthPin) -> Result<(), Error> {
    match initialise_token(library, functions, LABEL, pin, pin) {
        Err(Error::Pkcs11(RvError::PinIncorrect, _)) => {
            initialise_token(library, functions, LABEL, &AuthPin::from(String::new()), pin)
        }
        done => done,
    }
    .map(|_| ())
}

/// Runs this command again in a child process with a folder of its own: SoftHSM reads the folder of its tokens from the
/// environment, once per process.
pub fn on_scratch() -> Result<ExitCode, TrialError> {
    let folder = std::env::temp_dir().join(format!("hsmd-scratch-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("token"))?;
    let ended = in_child(&folder);
    std::fs::remove_dir_all(&folder)?;
    ended
}

fn in_child(folder: &Path) -> Result<ExitCode, TrialError> {
    let conf = folder.join("softhsm2.conf");
    let settings = format!(
        "directories.tokendir = {}\nobjectstore.backend = file\nlog.level = ERROR\n",
        folder.join("token").display()
    );
    std::fs::write(&conf, settings)?;
    let status = Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .arg("--scratch")
        .arg(folder)
        .env("SOFTHSM2_CONF", &conf)
        .status()?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2)))
}

/// Runs known answers on the token. `failed` is called for each that does not pass.
pub fn check_vectors(
    on: &TrialToken,
    vectors: &Map<String, Value>,
    failed: impl FnMut(&str, usize, String),
) -> Result<BTreeMap<String, Tally>, TrialError> {
    let mut token = on.open()?;
    module_check::omit_mechanisms_if_refused(&mut token);
    let tallies = vector_check::run(&token, vectors, failed);
    token.close();
    Ok(tallies)
}

/// Tries everything that the verbs need of the module.
pub fn check_module(on: &TrialToken) -> Result<Report, TrialError> {
    let mut token = on.open()?;
    let report = module_check::run(&mut token, on.scratch.is_some());
    token.close();
    Ok(report)
}
