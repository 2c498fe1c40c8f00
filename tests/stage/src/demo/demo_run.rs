//! State that the steps of the demo share: the stage, the simulated world, the narrator, and the data for the report.

use std::time::{Duration, Instant};

use anyhow::Result;
use codecs::value::{Minor, MonthDay};
use pos_sim::load::Report;
use pos_sim::till::Transaction;
use pos_sim::world::World;

use super::folder::ResultFolder;
use super::narrate::Narrator;
use super::under_load::LoadVolume;
use crate::population::reference;
use crate::stage::Stage;
use crate::tool::Tool;

/// A running demo.
#[derive(Debug)]
pub struct DemoRun {
    pub stage: Stage,
    pub world: World,
    pub told: Narrator,
    pub folder: ResultFolder,
    pub volume: LoadVolume,
    /// The receipts of our terminals.
    pub receipts: Vec<String>,
    /// The lost answer, message by message.
    pub timeline: Vec<String>,
    pub load: Option<MeasuredLoad>,
    /// The business date that was cut over.
    pub closed_date: Option<MonthDay>,
    /// What the foreign acquirer presented and no message had captured.
    pub only_presented: Minor,
}

/// A load's figures and when it began and ended, in microseconds since 1970, as the terminal log counts.
#[derive(Debug)]
pub struct MeasuredLoad {
    pub report: Report,
    pub from_us: u64,
    pub to_us: u64,
}

impl DemoRun {
    pub fn new(stage: Stage, world: World, told: Narrator, folder: ResultFolder, volume: LoadVolume) -> Self {
        let (receipts, timeline) = (Vec::new(), Vec::new());
        Self {
            stage,
            world,
            told,
            folder,
            volume,
            receipts,
            timeline,
            load: None,
            closed_date: None,
            only_presented: Minor::ZERO,
        }
    }

    /// Keeps the receipt of a transaction, if the till prints one.
    pub(super) fn print_receipt(&mut self, transaction: &Transaction) {
        self.receipts.extend(pos_sim::receipt::text(transaction));
    }

    /// Deletes a wallet's token, which can then no longer pay.
    pub(super) fn delete_token(&self, card_note: &str) -> Result<()> {
        let token = reference(card_note);
        self.stage.run_tool(Tool::Issuing, "set-state", &["token", "--reference", &token, "--status", "deleted"])?;
        Ok(())
    }

    /// Waits until the switch owes no message; returns how many it still owes at the end of the wait.
    pub(super) fn settled_within(&self, patience: Duration) -> Result<u64> {
        let deadline = Instant::now() + patience;
        loop {
            let owed = self.stage.owed_messages()?;
            if owed == 0 || Instant::now() > deadline {
                return Ok(owed);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
