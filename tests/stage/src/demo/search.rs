//! After a run: searches everything it left behind for secrets of its cards.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use pos_sim::crypto::TdesKey;
use pos_sim::delivery::{self, Delivered, DeliveredCard, DeliveredTerminal, DeliveredZone, TransportKey};

use super::demo_run::DemoRun;
use super::secrets::SecretSources;
use crate::secret_search::{Needle, SecretSearch};

/// Hits that are shown; the rest are counted.
const SHOWN: usize = 20;
/// Control file: a load card's number in every spelling, which the search must find.
const CONTROL: &str = "planted-control";

impl DemoRun {
    /// Searches the state folder (logs, database, WAL, pending log, sockets' folder), a dump of the database and the results.
    pub(super) fn search_for_secrets(&mut self) -> Result<()> {
        self.told.step("A search for every card number, track, PIN block and security code of the run");
        let needles = self.needles()?;
        let planted = self.plant(&needles)?;
        let mut search = SecretSearch::new(needles)?;
        search.folder(self.stage.layout().state(), &self.excluded())?;
        search.stream("database dump", self.stage.cluster.dump()?.as_slice())?;
        search.folder(self.folder.path(), &self.excluded())?;
        fs::remove_file(&planted)?;

        let control = planted.display().to_string();
        let (planted, found): (Vec<_>, Vec<_>) = search.hits.iter().partition(|hit| hit.place == control);
        self.told.say(format!(
            "{} spellings looked for in {} files and a dump, {} bytes",
            search.needles(),
            search.files - 1,
            search.scanned_bytes
        ));
        for hit in found.iter().take(SHOWN) {
            self.told.say(format!("{} at byte {}: {}", hit.place, hit.offset, hit.needle));
        }
        self.told.check("the planted control", "found", format!("{} times", planted.len()), !planted.is_empty());
        self.told.equal("secrets found elsewhere", 0, found.len());
        Ok(())
    }

    fn needles(&self) -> Result<Vec<Needle>> {
        let cards: Vec<_> = self.world.cards.iter().chain(&self.world.foreign_cards).cloned().collect();
        let story: Vec<DeliveredCard> =
            self.delivered()?.into_iter().filter(|card: &DeliveredCard| !card.note.starts_with("load")).collect();
        let terminals = self.delivered::<DeliveredTerminal>()?.into_iter().map(|terminal| terminal.tpk);
        let zones = self.delivered::<DeliveredZone>()?.into_iter().map(|zone| zone.zpk);
        let pin_keys: Vec<TdesKey> = terminals.chain(zones).collect();
        let known =
            SecretSources { cards: &cards, wallets: &self.world.wallets, story_cards: &story, pin_keys: &pin_keys };
        Ok(known.needles())
    }

    fn delivered<T: Delivered>(&self) -> Result<Vec<T>> {
        let layout = self.stage.layout();
        let [first, second] = layout.transport_components();
        let key = TransportKey::from_components(&first, &second)?;
        let mut items = Vec::new();
        for file in delivery::files_of(T::KIND, &layout.deliveries())? {
            items.extend(delivery::open::<T>(&key, &file)?);
        }
        Ok(items)
    }

    fn plant(&self, needles: &[Needle]) -> Result<PathBuf> {
        let file = self.stage.layout().logs().join(CONTROL);
        let needle = needles.first().context("nothing to look for")?;
        fs::write(&file, needle.bytes())?;
        Ok(file)
    }

    /// The only places that may contain card numbers: the token's store, clearing files, and the cards for trying by hand.
    fn excluded(&self) -> Vec<PathBuf> {
        let out = self.folder.path();
        vec![self.stage.layout().token(), out.join("clearing"), out.join("cards.json")]
    }
}
