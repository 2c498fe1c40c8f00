//! Stories on the real programs, each on a stage of its own: what a cardholder, a terminal or another bank would notice.
//!
//! The stories are in `tests/`; here is what they need to begin and to look into the books.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use codecs::value::{Currency, Minor};
use pos_sim::exchange::Exchange;
use pos_sim::reading::Instrument;
use pos_sim::till::Payment;
use pos_sim::world::World;
use stage::{Options, Stage};
use tokio_postgres::Client;

/// A stage with its outside world.
#[derive(Debug)]
pub struct Theatre {
    pub stage: Stage,
    pub world: World,
}

impl Theatre {
    /// Raises a stage for the story called `name`, with terminals and the foreign acquirer signed on.
    pub async fn open(name: &str) -> Result<Self> {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
        let state: PathBuf = stage::layout::state_root(&checkout).join("e2e").join(name);
        let stage = Stage::raise(Options::new(&checkout, state)?).await?;
        let world = stage.outside().await?;
        for terminal in &world.terminals {
            terminal.sign_on().await?;
        }
        world.acquirer.sign_on().await?;
        Ok(Self { stage, world })
    }

    /// A look into the books; a connection of its own, because a killed Postgres takes the old ones with it.
    pub async fn books(&self) -> Result<Client> {
        self.stage.database().await
    }

    /// What the holder of the card with this note can spend.
    pub async fn available(&self, note: &str) -> Result<i64> {
        let row = self
            .books()
            .await?
            .query_opt(
                "SELECT s.ledger_minor + s.credit_minor - s.held_minor FROM card c JOIN account_state s USING (bucket, account_id) \
                 WHERE c.note = $1",
                &[&note],
            )
            .await?;
        Ok(row.context("no such card")?.get(0))
    }

    /// What the ledger says a merchant is owed.
    pub async fn owed_to(&self, merchant: &str) -> Result<i64> {
        let row = self
            .books()
            .await?
            .query_one(
                "SELECT coalesce(sum(amount_minor), 0)::bigint FROM ledger \
                 WHERE account_kind = 'merchant' AND account_ref = $1",
                &[&merchant],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Every transaction whose postings do not sum to zero.
    pub async fn unbalanced(&self) -> Result<i64> {
        let row = self
            .books()
            .await?
            .query_one(
                "SELECT count(*) FROM (SELECT 1 FROM ledger GROUP BY auth_id, currency HAVING sum(amount_minor) <> 0) u",
                &[],
            )
            .await?;
        Ok(row.get(0))
    }

    /// Waits until the switch owes nobody anything.
    pub async fn nothing_owed(&self) -> Result<()> {
        for _ in 0..400 {
            if self.stage.owed_messages()? == 0 {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        anyhow::bail!("the switch still owes {} messages", self.stage.owed_messages()?)
    }
}

pub fn euros(instrument: Instrument, minor: i64) -> Payment {
    Payment::new(instrument, Minor(minor), Currency::EUR)
}

/// The response code, or what there was instead of one.
pub fn code(exchange: &Exchange) -> String {
    exchange.code().map_or_else(|| format!("{:?}", exchange.ending.as_ref().err()), |code| code.as_str().to_owned())
}
