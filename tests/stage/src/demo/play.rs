//! What the chapters of the story share: the stage, the world outside and the narrator.

use std::time::{Duration, Instant};

use anyhow::Result;
use pos_sim::world::World;

use super::narrate::Narrator;
use crate::stage::Stage;
use crate::supervisor::Program;

/// A running story.
#[derive(Debug)]
pub struct Play {
    pub stage: Stage,
    pub world: World,
    pub told: Narrator,
    /// The lost answer, message by message.
    pub timeline: Vec<String>,
}

impl Play {
    /// The holder gives a wallet up: its token stops paying.
    pub(super) fn delete_token(&self, card_note: &str) -> Result<()> {
        self.stage.errand(Program::Host, "set-state", &["token", "--note", card_note, "--status", "deleted"])?;
        Ok(())
    }

    /// Waits until the switch owes nothing; what it still owes at the end of the wait.
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
