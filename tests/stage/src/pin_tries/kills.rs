//! Daemons are killed again and again while cardholders alternately enter wrong and right PINs: a wrong one costs one try at most,
//! a right one none.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use futures::future::try_join_all;
use pos_sim::card::Card;
use pos_sim::reading::PinEntry;
use pos_sim::terminal::Terminal;
use pos_sim::world::World;

use super::MAX_TRIES;
use super::card_tries::{self, JournalPurchase};
use super::kill_moments::settled;
use super::pin_attempt::{PinAttempt, PinOutcome, count, enter};
use crate::demo::narrate::Narrator;
use crate::stage::Stage;
use crate::supervisor::Program;

/// Longest load between two kills; the shortest is a third of it.
const PAUSE_MS: u64 = 300;

/// One cardholder's attempts, and that card's purchases in the journal.
#[derive(Debug)]
struct CardholderRecord {
    attempts: Vec<PinAttempt>,
    decided: Vec<JournalPurchase>,
    tries: usize,
}

/// Results of the kills.
#[derive(Debug)]
pub struct KillResults {
    kills: u32,
    longest_restart: Duration,
    holders: Vec<CardholderRecord>,
}

/// Kills the two daemons alternately while every card is used, alternately with a wrong and the right PIN.
pub async fn kill_daemons(stage: &Stage, world: &World, cards: &[Arc<Card>], kills: u32) -> Result<KillResults> {
    let over = AtomicBool::new(false);
    let terminals = world.terminals.iter().cycle();
    let holders = cards.iter().zip(terminals).map(|(card, terminal)| hold(terminal, card, &over));
    let (attempts, killed) = tokio::join!(try_join_all(holders), kill(stage, kills, &over));
    let (attempts, longest_restart) = (attempts?, killed?);
    settled(stage).await?;
    let books = stage.database().await?;
    let mut holders = Vec::new();
    for (card, attempts) in cards.iter().zip(attempts) {
        let tries_row = card_tries::of(&books, card).await?;
        let decided = card_tries::decided(&books, &tries_row).await?;
        holders.push(CardholderRecord { attempts, decided, tries: tries_row.tries });
    }
    Ok(KillResults { kills, longest_restart, holders })
}

/// Enters a wrong PIN, then the right one until its outcome is known, so that no card runs out of tries.
async fn hold(terminal: &Terminal, card: &Arc<Card>, over: &AtomicBool) -> Result<Vec<PinAttempt>> {
    let mut attempts = Vec::new();
    while !over.load(Ordering::Relaxed) {
        attempts.push(enter(terminal, card, PinEntry::Wrong).await?);
        loop {
            let attempt = enter(terminal, card, PinEntry::Right).await?;
            let outcome = attempt.outcome != PinOutcome::Nothing;
            attempts.push(attempt);
            if outcome || over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    Ok(attempts)
}

async fn kill(stage: &Stage, kills: u32, over: &AtomicBool) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    let killing = async {
        for number in 0..kills {
            // a pause of varying length, so that kills do not fall into a rhythm
            let pause = PAUSE_MS / 3 + u64::from(number) * 97 % (PAUSE_MS * 2 / 3);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let daemon = if number % 2 == 0 { Program::Hsm } else { Program::SecondHsm };
            let killed = Instant::now();
            tokio::task::block_in_place(|| {
                stage.kill9(daemon)?;
                stage.wait_ready(daemon)
            })?;
            longest = longest.max(killed.elapsed());
        }
        anyhow::Ok(())
    };
    let outcome = killing.await;
    over.store(true, Ordering::Relaxed);
    outcome.map(|()| longest)
}

impl KillResults {
    fn attempts(&self) -> impl Iterator<Item = &PinAttempt> {
        self.holders.iter().flat_map(|holder| &holder.attempts)
    }

    /// Each attempt with its decisions in the journal.
    fn found(&self) -> impl Iterator<Item = (&PinAttempt, Vec<&JournalPurchase>)> {
        self.holders.iter().flat_map(|holder| {
            let mut by_key: HashMap<(&str, u32), Vec<&JournalPurchase>> = HashMap::new();
            for decided in &holder.decided {
                by_key.entry((&decided.terminal, decided.stan)).or_default().push(decided);
            }
            holder.attempts.iter().map(move |attempt| {
                let decided = by_key.get(&(attempt.terminal.as_str(), attempt.stan)).cloned().unwrap_or_default();
                (attempt, decided)
            })
        })
    }

    /// The effect of all attempts on the counters, by the journal and by the answers.
    pub fn figures(&self) -> Figures {
        let attempts: Vec<PinAttempt> = self.attempts().cloned().collect();
        let (right, wrong): (Vec<_>, Vec<_>) = attempts.into_iter().partition(|attempt| attempt.right);
        let counts = |decided: &&JournalPurchase| matches!(decided.code.as_str(), "55" | "75");
        let mut figures = Figures {
            right: right.len(),
            wrong: wrong.len(),
            without_outcome: count(&right, PinOutcome::Nothing) + count(&wrong, PinOutcome::Nothing),
            wrong_told: count(&wrong, PinOutcome::Wrong),
            right_refused: count(&right, PinOutcome::Wrong) + count(&right, PinOutcome::Exhausted),
            wrong_accepted: count(&wrong, PinOutcome::Accepted),
            ..Figures::default()
        };
        for (attempt, decided) in self.found() {
            let counted = decided.iter().filter(|decided| counts(decided)).count();
            figures.counted += counted;
            figures.counted_twice += usize::from(decided.len() > 1);
            figures.right_counted += if attempt.right { counted } else { 0 };
            figures.told_uncounted += usize::from(attempt.outcome == PinOutcome::Wrong && counted == 0);
            figures.counted_untold += usize::from(attempt.outcome == PinOutcome::Nothing && counted > 0);
        }
        figures.counters_off = self
            .holders
            .iter()
            .filter(|holder| holder.tries != card_tries::counted_anew(&holder.decided, MAX_TRIES))
            .count();
        figures
    }
}

/// Sums over all attempts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Figures {
    pub right: usize,
    pub wrong: usize,
    /// Attempts without an outcome.
    pub without_outcome: usize,
    /// Wrong PINs that were answered as wrong.
    pub wrong_told: usize,
    /// Right PINs that were answered as wrong, or as without tries.
    pub right_refused: usize,
    pub wrong_accepted: usize,
    /// Decisions in the journal that cost a try.
    pub counted: usize,
    /// Requests with more than one decision.
    pub counted_twice: usize,
    /// Right PINs that cost a try.
    pub right_counted: usize,
    /// Outcomes that were answered without costing a try.
    pub told_uncounted: usize,
    /// Tries whose outcome nobody learned, because the answer was lost.
    pub counted_untold: usize,
    /// Cards whose counter differs from the sum of their decisions.
    pub counters_off: usize,
}

pub fn judge(told: &mut Narrator, results: &KillResults) {
    let figures = results.figures();
    told.say(format!(
        "{} kills, a daemon ready again after at most {} ms; {} wrong and {} right PINs, {} of them without a verdict",
        results.kills,
        results.longest_restart.as_millis(),
        figures.wrong,
        figures.right,
        figures.without_outcome
    ));
    told.check("wrong PINs told to be wrong", "some", figures.wrong_told, figures.wrong_told > 0);
    told.equal("right PINs refused", 0, figures.right_refused);
    told.equal("right PINs that cost a try", 0, figures.right_counted);
    told.equal("wrong PINs accepted", 0, figures.wrong_accepted);
    told.equal("requests that were decided twice", 0, figures.counted_twice);
    told.equal("outcomes told that cost no try", 0, figures.told_uncounted);
    told.equal("tries counted of which nobody was told", 0, figures.counted_untold);
    told.equal("tries counted and wrong PINs told", figures.wrong_told, figures.counted);
    told.equal("cards whose counter is not the sum of their decisions", 0, figures.counters_off);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(stan: u32, right: bool, outcome: PinOutcome) -> PinAttempt {
        PinAttempt { terminal: "T0000001".to_owned(), stan, right, outcome, code: None }
    }

    fn decided(stan: u32, code: &str) -> JournalPurchase {
        JournalPurchase { terminal: "T0000001".to_owned(), stan, code: code.to_owned(), reason: None }
    }

    fn figures(attempts: Vec<PinAttempt>, decided: Vec<JournalPurchase>, tries: usize) -> Figures {
        let holders = vec![CardholderRecord { attempts, decided, tries }];
        KillResults { kills: 1, longest_restart: Duration::ZERO, holders }.figures()
    }

    #[test]
    fn what_was_told_was_counted_once() {
        let attempts = vec![
            attempt(1, false, PinOutcome::Wrong),
            attempt(2, true, PinOutcome::Nothing),
            attempt(3, true, PinOutcome::Accepted),
            attempt(4, false, PinOutcome::Nothing),
        ];
        let seen = figures(attempts, vec![decided(1, "55"), decided(3, "00")], 0);
        let expected =
            Figures { right: 2, wrong: 2, without_outcome: 2, wrong_told: 1, counted: 1, ..Figures::default() };
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_way_to_lose_or_gain_a_try_shows() {
        let told = || vec![attempt(1, false, PinOutcome::Wrong)];
        assert_eq!(figures(told(), vec![], 0).told_uncounted, 1, "a try gained");
        assert_eq!(figures(told(), vec![decided(1, "55"); 2], 2).counted_twice, 1, "a try lost");
        assert_eq!(figures(told(), vec![decided(1, "55")], 2).counters_off, 1, "a counter that ran ahead");
        let lost = figures(vec![attempt(1, true, PinOutcome::Nothing)], vec![decided(1, "55")], 1);
        assert_eq!((lost.right_counted, lost.counted_untold), (1, 1), "a right PIN that cost a try");
        assert_eq!(figures(vec![attempt(1, true, PinOutcome::Exhausted)], vec![], 0).right_refused, 1);
    }
}
