//! A program is killed at a chosen moment between the verification of a wrong PIN and its answer; then the card's tries are
//! counted.
//!
//! The moment is enforced: a row lock of this test keeps the host's batch from committing after the verdict is in its memory; a
//! held answer keeps a committed verdict from reaching the switch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use codecs::value::Minor;
use pos_sim::card::Card;
use pos_sim::reading::PinEntry;
use pos_sim::world::World;
use tokio_postgres::{Client, Transaction};

use super::MAX_TRIES;
use super::card_tries::{self, CardTries};
use super::pin_attempt::{PinAttempt, PinOutcome, count, enter, enter_amount};
use crate::demo::narrate::Narrator;
use crate::stage::Stage;
use crate::supervisor::Program;
use crate::tap::AnswerLoss;

const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// The amount by which the tap recognizes the purchase whose answer it holds.
const HELD: Minor = Minor(1_234);

/// The program to kill, and the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillMoment {
    /// hsmd, after its verdict "wrong" and before the host has committed it.
    HsmVerified,
    /// The host, at the same moment.
    HostVerified,
    /// The host, when the try is committed and the answer has not reached the switch.
    HostCommitted,
}

impl KillMoment {
    pub const ALL: [Self; 3] = [Self::HsmVerified, Self::HostVerified, Self::HostCommitted];

    pub fn words(self) -> &'static str {
        match self {
            Self::HsmVerified => "both hsmd between a verification and its commit",
            Self::HostVerified => "authhost between a verification and its commit",
            Self::HostCommitted => "authhost between a commit and its answer",
        }
    }

    /// Whether the try is counted.
    pub fn counts(self) -> bool {
        match self {
            Self::HsmVerified | Self::HostCommitted => true,
            Self::HostVerified => false,
        }
    }

    /// Whether its outcome may reach the terminal. After the death of both hsmd it does if one of them is back before the MAC of
    /// the answer has timed out, and that depends on the machine.
    pub fn may_tell(self) -> bool {
        self == Self::HsmVerified
    }
}

/// Result of one kill.
#[derive(Debug)]
pub struct KillRound {
    /// The wrong PIN that was under way.
    pub interrupted: PinAttempt,
    /// The counter when all programs were ready again.
    pub tries: usize,
    /// Wrong PINs from then on, until the tries were over.
    pub after: Vec<PinAttempt>,
    /// The right PIN at the end.
    pub right: PinAttempt,
}

impl KillRound {
    /// Outcomes that reached the terminal.
    pub fn released(&self) -> usize {
        usize::from(self.interrupted.outcome != PinOutcome::Nothing) + self.after.len()
            - count(&self.after, PinOutcome::Nothing)
    }

    /// Tries that were counted without their outcome reaching the terminal.
    pub fn untold(&self) -> usize {
        usize::from(self.interrupted.outcome == PinOutcome::Nothing && self.tries == 1)
    }

    /// Whether the round had the expected outcomes: as many as the card has tries, told or counted.
    pub fn held(&self, moment: KillMoment) -> bool {
        let told = match self.interrupted.outcome {
            PinOutcome::Nothing => true,
            PinOutcome::Wrong => moment.may_tell(),
            PinOutcome::Accepted | PinOutcome::Exhausted => false,
        };
        told && self.tries == usize::from(moment.counts())
            && self.released() + self.untold() == MAX_TRIES
            && self.after.last().is_some_and(|attempt| attempt.outcome == PinOutcome::Exhausted)
            && self.right.outcome == PinOutcome::Exhausted
    }
}

/// Enters a wrong PIN, kills at the moment, waits until all programs are ready again and uses up the remaining tries.
pub async fn round(stage: &Stage, world: &World, card: &Arc<Card>, moment: KillMoment) -> Result<KillRound> {
    let books = stage.database().await?;
    let tries_row = card_tries::of(&books, card).await?;
    let terminal = world.terminals.first().context("no terminal")?;
    let (interrupted, killed) = match moment {
        KillMoment::HsmVerified | KillMoment::HostVerified => {
            let mut connection = stage.database().await?;
            let row = hold_row(&mut connection, &tries_row).await?;
            tokio::join!(enter(terminal, card, PinEntry::Wrong), kill_before_commit(stage, row, moment))
        }
        KillMoment::HostCommitted => {
            let answer_delay = REACHED_WITHIN;
            stage.tap()?.lose(AnswerLoss { amount: HELD, answer_delay, lost_acknowledgements: 0 });
            tokio::join!(enter_amount(terminal, card, PinEntry::Wrong, HELD), kill_after_commit(stage, card))
        }
    };
    let interrupted = interrupted?;
    killed.with_context(|| format!("{interrupted:?}"))?;
    settled(stage).await?;
    let tries = card_tries::of(&books, card).await?.tries;
    let mut after = Vec::new();
    while after.len() <= MAX_TRIES && count(&after, PinOutcome::Exhausted) == 0 {
        after.push(enter(terminal, card, PinEntry::Wrong).await?);
    }
    let right = enter(terminal, card, PinEntry::Right).await?;
    Ok(KillRound { interrupted, tries, after, right })
}

/// Locks the account's row until the transaction is rolled back.
async fn hold_row<'a>(connection: &'a mut Client, tries_row: &CardTries) -> Result<Transaction<'a>> {
    let held = connection.transaction().await?;
    let row = "SELECT 1 FROM account_state WHERE bucket = $1 AND account_id = $2 FOR UPDATE";
    held.query_one(row, &[&tries_row.bucket, &tries_row.account_id]).await?;
    Ok(held)
}

async fn kill_before_commit(stage: &Stage, row: Transaction<'_>, moment: KillMoment) -> Result<()> {
    reached(&stage.database().await?).await?;
    let doomed: &[Program] = match moment {
        KillMoment::HsmVerified => &[Program::Hsm, Program::SecondHsm],
        _ => &[Program::Host],
    };
    tokio::task::block_in_place(|| doomed.iter().try_for_each(|program| stage.kill9(*program)))?;
    row.rollback().await?;
    Ok(())
}

async fn kill_after_commit(stage: &Stage, card: &Card) -> Result<()> {
    let books = stage.database().await?;
    let deadline = Instant::now() + REACHED_WITHIN;
    while card_tries::of(&books, card).await?.tries == 0 {
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

/// Waits until every program is ready, the switch is connected, and no message is owed.
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

pub fn judge(told: &mut Narrator, moment: KillMoment, rounds: &[KillRound]) {
    let counted: usize = rounds.iter().map(|round| round.tries).sum();
    let told_then = rounds.iter().filter(|round| round.interrupted.outcome == PinOutcome::Wrong).count();
    told.equal(
        "tries counted by the database when all stood again",
        rounds.len() * usize::from(moment.counts()),
        counted,
    );
    let may_tell = rounds.len() * usize::from(moment.may_tell());
    told.check("outcomes of these told at the terminal, at most", may_tell, told_then, told_then <= may_tell);
    let most = rounds.iter().map(KillRound::released).max().unwrap_or(0);
    told.check("outcomes released for one card at most", MAX_TRIES, most, most <= MAX_TRIES);
    let spent: usize = rounds.iter().map(|round| round.released() + round.untold()).sum();
    told.equal("tries to be had in all, told or counted", MAX_TRIES * rounds.len(), spent);
    told.equal("rounds in which all this held", rounds.len(), rounds.iter().filter(|round| round.held(moment)).count());
    for round in rounds.iter().filter(|round| !round.held(moment)) {
        told.say(format!("{round:?}"));
    }
}
