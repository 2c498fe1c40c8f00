//! End-to-end tests on the real programs, each on a stage of its own, from the view of a cardholder, a terminal or another bank.
//!
//! The tests are in `tests/`; this file has their set-up and their queries to the database.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use codecs::value::{Currency, Minor};
use pos_sim::exchange::Exchange;
use pos_sim::reading::Instrument;
use pos_sim::till::Payment;
use pos_sim::world::World;
use stage::{Options, Stage};
use tokio_postgres::Client;

/// A running system with its simulated world.
#[derive(Debug)]
pub struct TestSystem {
    pub stage: Stage,
    pub world: World,
}

impl TestSystem {
    /// Starts a stage for the test called `name`, with terminals and the foreign acquirer signed on.
    pub async fn open(name: &str) -> Result<Self> {
        Self::open_with(options(name)?).await
    }

    /// As [`TestSystem::open`], with these options.
    pub async fn open_with(options: Options) -> Result<Self> {
        let stage = Stage::start(options).await?;
        let world = stage.open_world().await?;
        for terminal in &world.terminals {
            terminal.sign_on().await?;
        }
        world.acquirer.sign_on().await?;
        Ok(Self { stage, world })
    }

    /// A new connection to the database; old ones break when Postgres is killed.
    pub async fn books(&self) -> Result<Client> {
        self.stage.database().await
    }

    /// The available balance of the card with this note.
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

    /// The amount due to a merchant, from the ledger.
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

    /// Waits until the switch owes no message.
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

/// The options of a test's stage.
pub fn options(name: &str) -> Result<Options> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let state: PathBuf = stage::layout::state_root(&checkout).join("e2e").join(name);
    Options::new(&checkout, state)
}

pub fn euros(instrument: Instrument, minor: i64) -> Payment {
    Payment::new(instrument, Minor(minor), Currency::EUR)
}

/// The response code, or why there is none.
pub fn code(exchange: &Exchange) -> String {
    exchange.code().map_or_else(|| format!("{:?}", exchange.ending.as_ref().err()), |code| code.as_str().to_owned())
}
