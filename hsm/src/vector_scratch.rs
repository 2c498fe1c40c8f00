//! A scratch token for `hsmd check-vectors`: a session to import vectors' keys into, on a token nobody else uses.
use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::ceremony::TokenError;
use crate::token::{Token, TokenConfig, find_slot, initialise_token, read_pin};
use crate::vector_check;

pub use crate::vector_check::Tally;

/// Why the vectors could not be run.
#[derive(Debug, thiserror::Error)]
pub enum VectorsError {
    #[error("module: {0}")]
    Module(#[from] TokenError),
    #[error("PIN files: {0}")]
    Pins(#[from] std::io::Error),
}

/// Runs vectors on a fresh token of `module`, whose PINs go into `folder`. `failed` is told of each that does not pass.
pub fn run(
    module: &Path,
    folder: &Path,
    vectors: &Map<String, Value>,
    failed: impl FnMut(&str, usize, String),
) -> Result<BTreeMap<String, Tally>, VectorsError> {
    let config = TokenConfig {
        module: module.to_owned(),
        label: "switchyard-vectors".into(),
        user_pin_file: folder.join("user-pin"),
        so_pin_file: folder.join("so-pin"),
        card_keys: 0,
        fast_card_keys: Vec::new(),
    };
    for file in [&config.user_pin_file, &config.so_pin_file] {
        std::fs::write(file, "scratch-pin\n")?;
    }
    let token = scratch_token(&config)?;
    let tallies = vector_check::run(&token, vectors, failed);
    token.close();
    Ok(tallies)
}

fn scratch_token(config: &TokenConfig) -> Result<Token, TokenError> {
    let library = config.library()?;
    library.initialize(crate::token::arguments())?;
    if find_slot(&library, &config.label)?.is_none() {
        let (so_pin, user_pin) = (read_pin(&config.so_pin_file)?, read_pin(&config.user_pin_file)?);
        initialise_token(&library, &config.label, &so_pin, &user_pin)?;
    }
    library.clone().finalize()?;
    Ok(Token::open(&library, config)?)
}
