//! The supervisor over the software double: what becomes of jobs when the module fails, is away, or is too slow.
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use codecs::value::Pan;
use hsm::{KeyName, PanEnvelope, REVEAL_BATCH};
use tokio::sync::mpsc;

use super::*;
use crate::daemon::queue::{Intake, Reply, queue};
use crate::module::key_kind::KeyKind;
use crate::verbs::software::Software;

/// A source whose modules can be told to fail.
#[derive(Clone, Default)]
struct Bench {
    opens: Arc<AtomicU32>,
    /// HMACs that fail in each module opened from now on.
    faults: Arc<AtomicU32>,
    away: Arc<AtomicBool>,
}

impl Source for Bench {
    type Module = Software;

    fn open(&mut self) -> Result<Software, String> {
        if self.away.load(Ordering::SeqCst) {
            return Err("away".into());
        }
        self.opens.fetch_add(1, Ordering::SeqCst);
        let mut module = Software::default();
        module.insert(KeyName::fixed("pan-index"), KeyKind::PanIndex, &[7; 32]);
        module.faults.set(self.faults.swap(0, Ordering::SeqCst));
        Ok(module)
    }

    fn close(&mut self, _: Software) {}

    fn created(_: &Software) -> u64 {
        0
    }

    fn probe(_: &Software) -> Result<(), Fault> {
        Ok(())
    }

    fn would_open(&mut self) -> bool {
        true
    }

    fn forgive(&mut self) {}
}

fn index() -> Verb {
    Verb::PanIndex(vec![Pan::from_digits(b"4000120000000002").unwrap()])
}

struct Desk {
    intake: Intake,
    answers: mpsc::Sender<Reply>,
    replies: mpsc::Receiver<Reply>,
}

impl Desk {
    fn ask(&self, id: u64, verb: Verb, patience: Duration) {
        let place = self.answers.clone().try_reserve_owned().unwrap();
        let received = Instant::now();
        self.intake.submit(Job { id, verb, received, deadline: received + patience, place });
    }

    fn answer(&mut self) -> (u64, Result<Answer, HsmError>) {
        let reply = self.replies.blocking_recv().expect("an answer");
        (reply.id, reply.result)
    }
}

fn desk(limits: &Limits) -> (Desk, Outlet) {
    let (intake, outlet) = queue(limits);
    let (answers, replies) = mpsc::channel(64);
    (Desk { intake, answers, replies }, outlet)
}

fn turns() -> Turns {
    Turns::new(std::path::Path::new("/nowhere"))
}

/// Starts a supervisor and waits until it has tried to open the module.
fn raised(bench: &Bench) -> Desk {
    let limits = Limits::default();
    let (desk, outlet) = desk(&limits);
    let (source, keys) = (bench.clone(), std::env::temp_dir().join("switchyard-no-keys-here"));
    std::thread::spawn(move || Supervisor::new(source, keys, limits, turns(), outlet).run());
    desk
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn a_failure_right_after_an_opening_is_told_and_not_met_with_another() {
    let bench = Bench::default();
    bench.faults.store(1, Ordering::SeqCst);
    let mut desk = raised(&bench);
    desk.ask(1, index(), LONG);
    assert!(matches!(desk.answer(), (1, Err(HsmError::Unavailable(_)))));
    desk.ask(2, index(), LONG);
    assert!(matches!(desk.answer(), (2, Ok(Answer::PanIndex(_)))));
    assert_eq!(bench.opens.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failing_module_is_reopened_and_the_job_carried_out() {
    let bench = Bench::default();
    bench.faults.store(2, Ordering::SeqCst);
    let mut desk = raised(&bench);
    desk.ask(1, index(), LONG);
    assert!(matches!(desk.answer(), (1, Err(_))));
    std::thread::sleep(REOPEN_EVERY);
    desk.ask(2, index(), LONG);
    assert!(matches!(desk.answer(), (2, Ok(_))));
    assert_eq!(bench.opens.load(Ordering::SeqCst), 2);
}

#[test]
fn while_the_module_is_away_callers_learn_it_at_once_and_then_it_heals() {
    let bench = Bench::default();
    bench.away.store(true, Ordering::SeqCst);
    let mut desk = raised(&bench);
    let begun = Instant::now();
    desk.ask(1, index(), LONG);
    assert!(matches!(desk.answer(), (1, Err(HsmError::Unavailable(_)))));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(desk.intake.health().state, ModuleState::Down);
    bench.away.store(false, Ordering::SeqCst);
    while desk.intake.health().state != ModuleState::Up {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    desk.ask(2, index(), LONG);
    assert!(matches!(desk.answer(), (2, Ok(_))));
}

#[test]
fn a_job_that_nobody_waits_for_is_dropped() {
    let (mut desk, outlet) = desk(&Limits::default());
    desk.ask(1, index(), Duration::ZERO);
    desk.ask(2, index(), LONG);
    std::thread::spawn(move || {
        Supervisor::new(Bench::default(), "/nowhere".into(), Limits::default(), turns(), outlet).run()
    });
    assert!(matches!(desk.answer(), (1, Err(HsmError::Unavailable(_)))));
    assert!(matches!(desk.answer(), (2, Ok(_))));
}

#[test]
fn a_full_queue_is_told_at_once() {
    let (mut desk, _outlet) = desk(&Limits { max_waiting_jobs: 2, ..Limits::default() });
    for id in 0..3 {
        desk.ask(id, index(), LONG);
    }
    assert!(matches!(desk.answer(), (2, Err(HsmError::Busy))));
}

fn reveal(envelopes: usize) -> Verb {
    Verb::Reveal(vec![(PanEnvelope::seal(1, &[0; 12], &[0; 32]), Vec::new()); envelopes])
}

#[test]
fn small_jobs_of_clearing_go_together_up_to_one_batch() {
    let (desk, outlet) = desk(&Limits::default());
    for id in 0..20 {
        desk.ask(id, reveal(3), LONG);
    }
    let mut taken = Vec::new();
    assert!(matches!(outlet.take(PER_WAKE, LONG, &mut taken), Taken::Jobs));
    assert_eq!(taken.iter().map(|job| job.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn clearing_waits_behind_authorizations_but_is_not_starved() {
    let (desk, outlet) = desk(&Limits::default());
    for id in 0..5 {
        desk.ask(100 + id, reveal(REVEAL_BATCH), LONG);
    }
    for id in 0..40 {
        desk.ask(id, index(), LONG);
    }
    let mut taken = Vec::new();
    assert!(matches!(outlet.take(PER_WAKE, LONG, &mut taken), Taken::Jobs));
    let ids: Vec<u64> = taken.iter().map(|job| job.id).collect();
    let (patient, urgent): (Vec<u64>, Vec<u64>) = ids.iter().partition(|id| **id >= 100);
    assert_eq!(patient, [100], "one of clearing");
    assert_eq!(ids.last(), Some(&100), "and it comes last");
    assert_eq!(urgent, (0..urgent.len() as u64).collect::<Vec<_>>());
    assert!(urgent.len() >= PER_WAKE);
}
