//! A program killed at a named moment between the verification of a wrong PIN and its answer, and how many tries the card
//! has left afterwards.
//!
//! The moment is held, not hoped for: a row lock of ours keeps the host's batch from committing while its verdict is in its
//! memory already; a held answer keeps a committed one from being told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use codecs::value::Minor;
use pos_sim::card::Card;
use pos_sim::reading::PinEntry;
use pos_sim::world::World;
use tokio_postgres::{Client, Transaction};

use super::MAX_TRIES;
use super::entry::{Entry, Heard, count, enter, enter_amount};
use super::kept::{self, Kept};
use crate::demo::narrate::Narrator;
use crate::stage::Stage;
use crate::supervisor::Program;
use crate::tap::Loss;

const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// By this amount the tap knows whose answer to hold.
const HELD: Minor = Minor(1_234);

/// Who is killed, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// hsmd, after it has said "wrong" and before the host has committed that.
    HsmVerified,
    /// The host, at the same moment.
    HostVerified,
    /// The host, when the try is committed and its answer not yet heard by the switch.
    HostCommitted,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::HsmVerified, Self::HostVerified, Self::HostCommitted];

    pub fn words(self) -> &'static str {
        match self {
            Self::HsmVerified => "both hsmd between a verification and its commit",
            Self::HostVerified => "authhost between a verification and its commit",
            Self::HostCommitted => "authhost between a commit and its answer",
        }
    }

    /// Whether the try counts, and whether its outcome becomes known.
    pub fn counts_and_tells(self) -> (bool, bool) {
        match self {
            Self::HsmVerified => (true, true),
            Self::HostVerified => (false, false),
            Self::HostCommitted => (true, false),
        }
    }
}

/// What came of one kill.
#[derive(Debug)]
pub struct Round {
    /// The wrong PIN that was under way.
    pub struck: Entry,
    /// The counter when everything stood again.
    pub tries: usize,
    /// Wrong PINs from then on, until the tries were over.
    pub after: Vec<Entry>,
    /// The right PIN at the end.
    pub right: Entry,
}

impl Round {
    /// Outcomes that anybody was told.
    pub fn released(&self) -> usize {
        usize::from(self.struck.heard != Heard::Nothing) + self.after.len() - count(&self.after, Heard::Nothing)
    }

    /// Tries that were counted and told nobody.
    pub fn untold(&self) -> usize {
        usize::from(self.struck.heard == Heard::Nothing && self.tries == 1)
    }

    /// The verdict on a round: this many outcomes were to be had, no more and no fewer.
    pub fn held(&self, moment: Moment) -> bool {
        let (counts, tells) = moment.counts_and_tells();
        (self.struck.heard == Heard::Wrong) == tells
            && (tells || self.struck.heard == Heard::Nothing)
            && self.tries == usize::from(counts)
            && self.released() + self.untold() == MAX_TRIES
            && self.after.last().is_some_and(|entry| entry.heard == Heard::Exhausted)
            && self.right.heard == Heard::Exhausted
    }
}

/// Enters a wrong PIN, kills at the moment, waits until everything stands again and uses up the tries that are left.
pub async fn round(stage: &Stage, world: &World, card: &Arc<Card>, moment: Moment) -> Result<Round> {
    let books = stage.database().await?;
    let kept = kept::of(&books, card).await?;
    let terminal = world.terminals.first().context("no terminal")?;
    let (struck, killed) = match moment {
        Moment::HsmVerified | Moment::HostVerified => {
            let mut connection = stage.database().await?;
            let row = hold_row(&mut connection, &kept).await?;
            tokio::join!(enter(terminal, card, PinEntry::Wrong), kill_before_commit(stage, row, moment))
        }
        Moment::HostCommitted => {
            let answer_delay = REACHED_WITHIN;
            stage.tap.lose(Loss { amount: HELD, answer_delay, lost_acknowledgements: 0 });
            tokio::join!(enter_amount(terminal, card, PinEntry::Wrong, HELD), kill_after_commit(stage, card))
        }
    };
    let struck = struck?;
    killed.with_context(|| format!("{struck:?}"))?;
    settled(stage).await?;
    let tries = kept::of(&books, card).await?.tries;
    let mut after = Vec::new();
    while after.len() <= MAX_TRIES && count(&after, Heard::Exhausted) == 0 {
        after.push(enter(terminal, card, PinEntry::Wrong).await?);
    }
    let right = enter(terminal, card, PinEntry::Right).await?;
    Ok(Round { struck, tries, after, right })
}

/// Keeps everybody else from the account until it is rolled back.
async fn hold_row<'a>(connection: &'a mut Client, kept: &Kept) -> Result<Transaction<'a>> {
    let held = connection.transaction().await?;
    let row = "SELECT 1 FROM account_state WHERE bucket = $1 AND account_id = $2 FOR UPDATE";
    held.query_one(row, &[&kept.bucket, &kept.account_id]).await?;
    Ok(held)
}

async fn kill_before_commit(stage: &Stage, row: Transaction<'_>, moment: Moment) -> Result<()> {
    reached(&stage.database().await?).await?;
    let doomed: &[Program] = match moment {
        Moment::HsmVerified => &[Program::Hsm, Program::SecondHsm],
        _ => &[Program::Host],
    };
    tokio::task::block_in_place(|| doomed.iter().try_for_each(|program| stage.kill9(*program)))?;
    row.rollback().await?;
    Ok(())
}

async fn kill_after_commit(stage: &Stage, card: &Card) -> Result<()> {
    let books = stage.database().await?;
    let deadline = Instant::now() + REACHED_WITHIN;
    while kept::of(&books, card).await?.tries == 0 {
        if Instant::now() > deadline {
            bail!("the wrong PIN was never counted");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tokio::task::block_in_place(|| stage.kill9(Program::Host))
}

/// Waits until a batch of the host waits for a row.
async fn reached(books: &Client) -> Result<()> {
    let waits = "SELECT count(*) > 0 FROM pg_stat_activity
        WHERE application_name = 'authhost lane' AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + REACHED_WITHIN;
    while !books.query_one(waits, &[]).await?.get::<_, bool>(0) {
        if Instant::now() > deadline {
            bail!("the host never waited for the row");
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}

/// Every program ready, the switch connected, nothing owed.
pub(super) async fn settled(stage: &Stage) -> Result<()> {
    tokio::task::block_in_place(|| Program::ALL.into_iter().try_for_each(|program| stage.wait_ready(program)))?;
    let deadline = Instant::now() + 3 * REACHED_WITHIN;
    while stage.owed_messages()? > 0 || !stage.every_destination_is_up()? {
        if Instant::now() > deadline {
            bail!("the switch still owes {} messages, or is not connected", stage.owed_messages()?);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

pub fn judge(told: &mut Narrator, moment: Moment, rounds: &[Round]) {
    let (counts, tells) = moment.counts_and_tells();
    let counted: usize = rounds.iter().map(|round| round.tries).sum();
    let told_then = rounds.iter().filter(|round| round.struck.heard == Heard::Wrong).count();
    told.equal("tries counted by the database when all stood again", rounds.len() * usize::from(counts), counted);
    told.equal("outcomes of these told at the terminal", rounds.len() * usize::from(tells), told_then);
    let most = rounds.iter().map(Round::released).max().unwrap_or(0);
    told.check("outcomes released for one card at most", MAX_TRIES, most, most <= MAX_TRIES);
    let spent: usize = rounds.iter().map(|round| round.released() + round.untold()).sum();
    told.equal("tries to be had in all, told or counted", MAX_TRIES * rounds.len(), spent);
    told.equal("rounds in which all this held", rounds.len(), rounds.iter().filter(|round| round.held(moment)).count());
    for round in rounds.iter().filter(|round| !round.held(moment)) {
        told.say(format!("{round:?}"));
    }
}
