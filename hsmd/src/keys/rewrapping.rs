//! `hsmd rewrap`: moves the wrapped keys beside the token from older generations of their wrapping keys to the newest. Each
//! wrapped key names its generation, so the job keeps no progress of its own: killed at any point, the next run continues.
use hsm::{KeyBlock, TerminalKeyRow};

use crate::config::Config;
use crate::hex::{hex, unhex};
use crate::keys::delivery::{read_rows, write_rows};
use crate::keys::key_act_error::KeyActError;
use crate::keys::key_store::{self, KeyStore};
use crate::verbs::working_keys::rewrap as rewrapped;

/// Terminals between two writings of the file: killed in between, at most so many are rewrapped again.
const STEP: usize = 256;

/// How many keys were rewrapped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    pub terminals: usize,
    pub data_keys: usize,
}

/// Moves terminals' key blocks to the newest storage keys, inside the module, and data keys to the newest `data-kek`, through
/// this process's memory.
pub fn rewrap(config: &Config, now: jiff::Timestamp) -> Result<Rewrapped, KeyActError> {
    key_store::run_act(config, now, |keys| {
        let done = Rewrapped { terminals: terminals(keys)?, data_keys: data_keys(keys)? };
        for (count, what) in [(done.terminals, "terminals' keys"), (done.data_keys, "data keys")] {
            if count > 0 {
                keys.record.append(keys.now, "rewrapped", &format!("{count} {what}"), "")?;
            }
        }
        Ok(done)
    })
}

fn terminals(keys: &KeyStore<'_>) -> Result<usize, KeyActError> {
    let path = &keys.config.terminal_keys;
    let mut rows = read_rows(path)?;
    let mut moved = 0;
    for at in 0..rows.len() {
        if rewrap_row(keys, &mut rows[at])? {
            moved += 1;
            if moved % STEP == 0 {
                write_rows(path, &rows)?;
            }
        }
    }
    if moved % STEP != 0 {
        write_rows(path, &rows)?;
    }
    Ok(moved)
}

fn rewrap_row(keys: &KeyStore<'_>, row: &mut TerminalKeyRow) -> Result<bool, KeyActError> {
    let mut moved = false;
    for text in [&mut row.tpk_block, &mut row.tak_block] {
        let block = block(text).ok_or_else(|| unreadable(&row.terminal))?;
        if let Some(new) = rewrapped(&keys.token, &block)? {
            *text = hex(&new.to_bytes());
            moved = true;
        }
    }
    Ok(moved)
}

fn block(text: &str) -> Option<KeyBlock> {
    unhex(text).and_then(|bytes| KeyBlock::from_bytes(&bytes).ok())
}

fn unreadable(terminal: &str) -> KeyActError {
    KeyActError::Terminal(terminal.to_owned(), "its row holds no key blocks")
}

fn data_keys(keys: &mut KeyStore<'_>) -> Result<usize, KeyActError> {
    let names: Vec<String> = keys.key_file.data_keys.keys().cloned().collect();
    let mut moved = 0;
    for name in names {
        moved += usize::from(keys.key_file.rewrap(&keys.token, &name)?);
    }
    if moved > 0 {
        keys.save_key_file()?;
    }
    Ok(moved)
}

/// Whether a terminal's key is under this generation of the storage keys.
pub(crate) fn terminals_are_under(config: &Config, number: u8) -> Result<bool, KeyActError> {
    for row in read_rows(&config.terminal_keys)? {
        for text in [&row.tpk_block, &row.tak_block] {
            if block(text).ok_or_else(|| unreadable(&row.terminal))?.generation() == number {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
