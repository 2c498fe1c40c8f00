//! The file that keeps the chips' transaction counters between runs.
//!
//! A real chip stores its counter; a simulated one exists only in a process. A later run with the same cards – or another process
//! beside a running one – continues from this file, because otherwise every cryptogram would look like a replay.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::card::Card;
use crate::chip::Chip;
use crate::wallet::Wallet;

/// The chips of a world, and the file of their counters. It holds no key and no card number: chips are named by the notes of
/// their cards.
#[derive(Debug)]
pub(crate) struct Counters {
    file: PathBuf,
    cards: Vec<Arc<Card>>,
    wallets: Vec<Arc<Wallet>>,
}

const FILE: &str = "chip-counters.json";
/// Added to a stored counter: another process may have counted further since it last wrote the file.
const MARGIN: u16 = 256;
const SAVE_EVERY: Duration = Duration::from_secs(1);

impl Counters {
    pub(crate) fn new(folder: &Path, cards: Vec<Arc<Card>>, wallets: Vec<Arc<Wallet>>) -> Self {
        Self { file: folder.join(FILE), cards, wallets }
    }

    /// Sets every chip's counter from the file. Without a file this is the first run.
    pub(crate) fn restore(&self) {
        let saved = self.saved();
        for (name, chip) in self.chips() {
            if let Some(counter) = saved.get(&name) {
                chip.continue_from(counter.saturating_add(MARGIN));
            }
        }
    }

    fn saved(&self) -> BTreeMap<String, u16> {
        let Ok(text) = std::fs::read_to_string(&self.file) else { return BTreeMap::new() };
        serde_json::from_str(&text).unwrap_or_else(|_| {
            tracing::warn!(file = %self.file.display(), "the chips' counters cannot be read");
            BTreeMap::new()
        })
    }

    /// Saves the counters that have increased; a higher counter of another process stays.
    pub(crate) fn save(&self) -> std::io::Result<()> {
        let mut counters = self.saved();
        let mut changed = false;
        for (name, chip) in self.chips() {
            let (saved, now) = (counters.get(&name).copied().unwrap_or(0), chip.counter());
            if now > saved {
                counters.insert(name, now);
                changed = true;
            }
        }
        if !changed {
            return Ok(());
        }
        let text = serde_json::to_string(&counters).expect("names and numbers");
        // written beside and renamed, so that nobody reads half a file
        let beside = self.file.with_extension("new");
        std::fs::write(&beside, text)?;
        std::fs::rename(&beside, &self.file)
    }

    fn chips(&self) -> impl Iterator<Item = (String, &Chip)> {
        let cards = self.cards.iter().map(|card| (format!("card {}", card.note), &card.chip));
        cards.chain(self.wallets.iter().map(|wallet| (format!("wallet {}", wallet.card.note), &wallet.chip)))
    }
}

/// Saves once a second for as long as the counters exist.
pub(crate) async fn keep_saving(counters: Weak<Counters>) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        let Some(counters) = counters.upgrade() else { return };
        if let Err(error) = counters.save() {
            tracing::warn!(%error, "the chips' counters could not be saved");
            return;
        }
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        if let Err(error) = self.save() {
            tracing::warn!(%error, "the chips' counters could not be saved");
        }
    }
}
