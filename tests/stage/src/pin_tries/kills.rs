//! Daemons killed again and again while cardholders enter wrong and right PINs by turns: a wrong one costs one try at most,
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
use super::entry::{Entry, Heard, count, enter};
use super::kept::{self, Decided};
use super::placed::settled;
use crate::demo::narrate::Narrator;
use crate::stage::Stage;
use crate::supervisor::Program;

/// Longest load between two kills; the shortest is a third of it.
const PAUSE_MS: u64 = 300;

/// One cardholder's entries and what the journal has of that card.
#[derive(Debug)]
struct Holder {
    entries: Vec<Entry>,
    decided: Vec<Decided>,
    tries: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Endured {
    kills: u32,
    longest_restart: Duration,
    holders: Vec<Holder>,
}

/// Kills the two daemons by turns while every card is used, alternately with a wrong and the right PIN.
pub async fn endure(stage: &Stage, world: &World, cards: &[Arc<Card>], kills: u32) -> Result<Endured> {
    let over = AtomicBool::new(false);
    let terminals = world.terminals.iter().cycle();
    let holders = cards.iter().zip(terminals).map(|(card, terminal)| hold(terminal, card, &over));
    let (entries, killed) = tokio::join!(try_join_all(holders), kill(stage, kills, &over));
    let (entries, longest_restart) = (entries?, killed?);
    settled(stage).await?;
    let books = stage.database().await?;
    let mut holders = Vec::new();
    for (card, entries) in cards.iter().zip(entries) {
        let kept = kept::of(&books, card).await?;
        let decided = kept::decided(&books, &kept).await?;
        holders.push(Holder { entries, decided, tries: kept.tries });
    }
    Ok(Endured { kills, longest_restart, holders })
}

/// Wrong, then right until that is heard, so that no honest card ever runs out of tries.
async fn hold(terminal: &Terminal, card: &Arc<Card>, over: &AtomicBool) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while !over.load(Ordering::Relaxed) {
        entries.push(enter(terminal, card, PinEntry::Wrong).await?);
        loop {
            let entry = enter(terminal, card, PinEntry::Right).await?;
            let heard = entry.heard != Heard::Nothing;
            entries.push(entry);
            if heard || over.load(Ordering::Relaxed) {
                break;
            }
        }
    }
    Ok(entries)
}

async fn kill(stage: &Stage, kills: u32, over: &AtomicBool) -> Result<Duration> {
    let mut longest = Duration::ZERO;
    let killing = async {
        for number in 0..kills {
            // not in step with anything
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

impl Endured {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.holders.iter().flat_map(|holder| &holder.entries)
    }

    /// Entries beside the decisions that the journal has of them.
    fn found(&self) -> impl Iterator<Item = (&Entry, Vec<&Decided>)> {
        self.holders.iter().flat_map(|holder| {
            let mut by_key: HashMap<(&str, u32), Vec<&Decided>> = HashMap::new();
            for decided in &holder.decided {
                by_key.entry((&decided.terminal, decided.stan)).or_default().push(decided);
            }
            holder.entries.iter().map(move |entry| {
                let decided = by_key.get(&(entry.terminal.as_str(), entry.stan)).cloned().unwrap_or_default();
                (entry, decided)
            })
        })
    }

    /// What this many entries did to the counters, as the journal and the wire have it.
    pub fn figures(&self) -> Figures {
        let entries: Vec<Entry> = self.entries().cloned().collect();
        let (right, wrong): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| entry.right);
        let counts = |decided: &&Decided| matches!(decided.code.as_str(), "55" | "75");
        let mut figures = Figures {
            right: right.len(),
            wrong: wrong.len(),
            unheard: count(&right, Heard::Nothing) + count(&wrong, Heard::Nothing),
            wrong_told: count(&wrong, Heard::Wrong),
            right_refused: count(&right, Heard::Wrong) + count(&right, Heard::Exhausted),
            wrong_accepted: count(&wrong, Heard::Accepted),
            ..Figures::default()
        };
        for (entry, decided) in self.found() {
            let counted = decided.iter().filter(|decided| counts(decided)).count();
            figures.counted += counted;
            figures.counted_twice += usize::from(decided.len() > 1);
            figures.right_counted += if entry.right { counted } else { 0 };
            figures.told_uncounted += usize::from(entry.heard == Heard::Wrong && counted == 0);
            figures.counted_untold += usize::from(entry.heard == Heard::Nothing && counted > 0);
        }
        figures.counters_off =
            self.holders.iter().filter(|holder| holder.tries != kept::counted_anew(&holder.decided, MAX_TRIES)).count();
        figures
    }
}

/// Sums over all entries.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Figures {
    pub right: usize,
    pub wrong: usize,
    /// Entries whose answer told nothing of the PIN.
    pub unheard: usize,
    /// Wrong PINs that were told to be wrong.
    pub wrong_told: usize,
    /// Right PINs that were called wrong, or met a card without tries.
    pub right_refused: usize,
    pub wrong_accepted: usize,
    /// Decisions in the journal that cost a try.
    pub counted: usize,
    /// Requests with more than one decision.
    pub counted_twice: usize,
    /// Right PINs that cost a try.
    pub right_counted: usize,
    /// Outcomes that were told without a try.
    pub told_uncounted: usize,
    /// Tries of which nobody was told, because the answer was lost on its way.
    pub counted_untold: usize,
    /// Cards whose counter is not what their decisions add up to.
    pub counters_off: usize,
}

pub fn judge(told: &mut Narrator, endured: &Endured) {
    let figures = endured.figures();
    told.say(format!(
        "{} kills, a daemon ready again after at most {} ms; {} wrong and {} right PINs, {} of them without a verdict",
        endured.kills,
        endured.longest_restart.as_millis(),
        figures.wrong,
        figures.right,
        figures.unheard
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

    fn entry(stan: u32, right: bool, heard: Heard) -> Entry {
        Entry { terminal: "T0000001".to_owned(), stan, right, heard, code: None }
    }

    fn decided(stan: u32, code: &str) -> Decided {
        Decided { terminal: "T0000001".to_owned(), stan, code: code.to_owned(), reason: None }
    }

    fn figures(entries: Vec<Entry>, decided: Vec<Decided>, tries: usize) -> Figures {
        let holders = vec![Holder { entries, decided, tries }];
        Endured { kills: 1, longest_restart: Duration::ZERO, holders }.figures()
    }

    #[test]
    fn what_was_told_was_counted_once() {
        let entries = vec![
            entry(1, false, Heard::Wrong),
            entry(2, true, Heard::Nothing),
            entry(3, true, Heard::Accepted),
            entry(4, false, Heard::Nothing),
        ];
        let seen = figures(entries, vec![decided(1, "55"), decided(3, "00")], 0);
        let expected = Figures { right: 2, wrong: 2, unheard: 2, wrong_told: 1, counted: 1, ..Figures::default() };
        assert_eq!(seen, expected);
    }

    #[test]
    fn each_way_to_lose_or_gain_a_try_shows() {
        let told = || vec![entry(1, false, Heard::Wrong)];
        assert_eq!(figures(told(), vec![], 0).told_uncounted, 1, "a try gained");
        assert_eq!(figures(told(), vec![decided(1, "55"); 2], 2).counted_twice, 1, "a try lost");
        assert_eq!(figures(told(), vec![decided(1, "55")], 2).counters_off, 1, "a counter that ran ahead");
        let lost = figures(vec![entry(1, true, Heard::Nothing)], vec![decided(1, "55")], 1);
        assert_eq!((lost.right_counted, lost.counted_untold), (1, 1), "a right PIN that cost a try");
        assert_eq!(figures(vec![entry(1, true, Heard::Exhausted)], vec![], 0).right_refused, 1);
    }
}
