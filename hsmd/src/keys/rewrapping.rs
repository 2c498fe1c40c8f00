//! `hsmd rewrap`: what lies beside the token moves from older generations of its wrapping keys to the newest. What has moved
//! says so itself, so that the job needs no memory of its own: killed anywhere, it goes on with what is left.
use hsm::{KeyBlock, TerminalKeyRow};

use crate::config::Config;
use crate::hex::{hex, unhex};
use crate::keys::ceremony_error::CeremonyError;
use crate::keys::delivery::{read_rows, write_rows};
use crate::keys::keyroom::{self, Keyroom};
use crate::verbs::working_keys::rewrap as rewrapped;

/// Terminals between one writing of the file and the next: killed in between, so many are rewrapped again.
const STEP: usize = 256;

/// What was moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    pub terminals: usize,
    pub data_keys: usize,
}

/// Moves terminals' key blocks to the newest storage keys, inside the module, and data keys to the newest `data-kek`, through
/// this process's memory.
pub fn rewrap(config: &Config, now: jiff::Timestamp) -> Result<Rewrapped, CeremonyError> {
    keyroom::within(config, now, |room| {
        let done = Rewrapped { terminals: terminals(room)?, data_keys: data_keys(room)? };
        for (count, what) in [(done.terminals, "terminals' keys"), (done.data_keys, "data keys")] {
            if count > 0 {
                room.record.append(room.now, "rewrapped", &format!("{count} {what}"), "")?;
            }
        }
        Ok(done)
    })
}

fn terminals(room: &Keyroom<'_>) -> Result<usize, CeremonyError> {
    let path = &room.config.terminal_keys;
    let mut rows = read_rows(path)?;
    let mut moved = 0;
    for place in 0..rows.len() {
        if rewrap_row(room, &mut rows[place])? {
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

fn rewrap_row(room: &Keyroom<'_>, row: &mut TerminalKeyRow) -> Result<bool, CeremonyError> {
    let mut moved = false;
    for text in [&mut row.tpk_block, &mut row.tak_block] {
        let block = block(text).ok_or_else(|| unreadable(&row.terminal))?;
        if let Some(new) = rewrapped(&room.token, &block)? {
            *text = hex(&new.to_bytes());
            moved = true;
        }
    }
    Ok(moved)
}

fn block(text: &str) -> Option<KeyBlock> {
    unhex(text).and_then(|bytes| KeyBlock::from_bytes(&bytes).ok())
}

fn unreadable(terminal: &str) -> CeremonyError {
    CeremonyError::Terminal(terminal.to_owned(), "its row holds no key blocks")
}

fn data_keys(room: &mut Keyroom<'_>) -> Result<usize, CeremonyError> {
    let names: Vec<String> = room.key_file.data_keys.keys().cloned().collect();
    let mut moved = 0;
    for name in names {
        moved += usize::from(room.key_file.rewrap(&room.token, &name)?);
    }
    if moved > 0 {
        room.save_key_file()?;
    }
    Ok(moved)
}

/// Whether a terminal's key is under this generation of the storage keys.
pub(crate) fn terminals_are_under(config: &Config, number: u8) -> Result<bool, CeremonyError> {
    for row in read_rows(&config.terminal_keys)? {
        for text in [&row.tpk_block, &row.tak_block] {
            if block(text).ok_or_else(|| unreadable(&row.terminal))?.generation() == number {
                return Ok(true);
            }
        }
    }
    Ok(false)
}
