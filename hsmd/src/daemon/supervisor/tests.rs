//! The supervisor over the software module: how jobs end when the module fails, is away, or is too slow.
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use codecs::value::Pan;
use hsm::{KeyName, PanEnvelope, REVEAL_BATCH};
use tokio::sync::mpsc;

use super::*;
use crate::daemon::queue::{JobSender, Reply, queue};
use crate::module::key_kind::KeyKind;
use crate::verbs::software::SoftwareModule;

/// The test has taken the token away.
#[derive(Debug, thiserror::Error)]
#[error("away")]
struct TokenAway;

/// A source of modules that fail on demand.
#[derive(Clone, Default)]
struct FailingSource {
    opens: Arc<AtomicU32>,
    /// HMACs that fail in each module opened from now on.
    faults: Arc<AtomicU32>,
    away: Arc<AtomicBool>,
}

impl ModuleSource for FailingSource {
    type Module = SoftwareModule;
    type Error = TokenAway;

    fn open(&mut self) -> Result<SoftwareModule, TokenAway> {
        if self.away.load(Ordering::SeqCst) {
            return Err(TokenAway);
        }
        self.opens.fetch_add(1, Ordering::SeqCst);
        let mut module = SoftwareModule::default();
        module.insert(KeyName::fixed("pan-index"), KeyKind::PanIndex, &[7; 32]);
        module.faults.set(self.faults.swap(0, Ordering::SeqCst));
        Ok(module)
    }

    fn close(&mut self, _: SoftwareModule) {}

    fn created(_: &SoftwareModule) -> u64 {
        0
    }

    fn probe(_: &SoftwareModule) -> Result<(), Fault> {
        Ok(())
    }

    fn would_open(&mut self) -> bool {
        true
    }

    fn allow_retry(&mut self) {}
}

fn index() -> Verb {
    Verb::PanIndex(vec![Pan::from_digits(b"4000120000000002").unwrap()])
}

struct Caller {
    job_sender: JobSender,
    answers: mpsc::Sender<Reply>,
    replies: mpsc::Receiver<Reply>,
}

impl Caller {
    fn ask(&self, id: u64, verb: Verb, patience: Duration) {
        let reply_slot = self.answers.clone().try_reserve_owned().unwrap();
        let received = Instant::now();
        self.job_sender.submit(Job { id, verb, received, deadline: received + patience, reply_slot });
    }

    fn answer(&mut self) -> (u64, Result<Answer, HsmError>) {
        let reply = self.replies.blocking_recv().expect("an answer");
        (reply.id, reply.result)
    }
}

fn caller(limits: &Limits) -> (Caller, JobReceiver) {
    let (job_sender, job_receiver) = queue(limits);
    let (answers, replies) = mpsc::channel(64);
    (Caller { job_sender, answers, replies }, job_receiver)
}

fn reopen_lock() -> ReopenLock {
    ReopenLock::new(std::path::Path::new("/nowhere"))
}

/// Starts a supervisor and waits until it has tried to open the module.
fn started(source: &FailingSource) -> Caller {
    let limits = Limits::default();
    let (caller, job_receiver) = caller(&limits);
    let (source, keys) = (source.clone(), std::env::temp_dir().join("switchyard-no-keys-here"));
    std::thread::spawn(move || Supervisor::new(source, keys, limits, reopen_lock(), job_receiver).run());
    caller
}

const LONG: Duration = Duration::from_secs(10);

#[test]
fn a_failure_right_after_an_opening_is_told_and_not_met_with_another() {
    let source = FailingSource::default();
    source.faults.store(1, Ordering::SeqCst);
    let mut caller = started(&source);
    caller.ask(1, index(), LONG);
    assert!(matches!(caller.answer(), (1, Err(HsmError::Unavailable(_)))));
    caller.ask(2, index(), LONG);
    assert!(matches!(caller.answer(), (2, Ok(Answer::PanIndex(_)))));
    assert_eq!(source.opens.load(Ordering::SeqCst), 1);
}

#[test]
fn a_failing_module_is_reopened_and_the_job_carried_out() {
    let source = FailingSource::default();
    source.faults.store(2, Ordering::SeqCst);
    let mut caller = started(&source);
    caller.ask(1, index(), LONG);
    assert!(matches!(caller.answer(), (1, Err(_))));
    std::thread::sleep(REOPEN_EVERY);
    caller.ask(2, index(), LONG);
    assert!(matches!(caller.answer(), (2, Ok(_))));
    assert_eq!(source.opens.load(Ordering::SeqCst), 2);
}

#[test]
fn while_the_module_is_away_callers_learn_it_at_once_and_then_it_heals() {
    let source = FailingSource::default();
    source.away.store(true, Ordering::SeqCst);
    let mut caller = started(&source);
    let begun = Instant::now();
    caller.ask(1, index(), LONG);
    assert!(matches!(caller.answer(), (1, Err(HsmError::Unavailable(_)))));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(caller.job_sender.health().state, ModuleState::Down);
    source.away.store(false, Ordering::SeqCst);
    while caller.job_sender.health().state != ModuleState::Up {
        assert!(begun.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    caller.ask(2, index(), LONG);
    assert!(matches!(caller.answer(), (2, Ok(_))));
}

#[test]
fn a_job_that_nobody_waits_for_is_dropped() {
    let (mut caller, job_receiver) = caller(&Limits::default());
    caller.ask(1, index(), Duration::ZERO);
    caller.ask(2, index(), LONG);
    std::thread::spawn(move || {
        Supervisor::new(FailingSource::default(), "/nowhere".into(), Limits::default(), reopen_lock(), job_receiver)
            .run()
    });
    assert!(matches!(caller.answer(), (1, Err(HsmError::Unavailable(_)))));
    assert!(matches!(caller.answer(), (2, Ok(_))));
}

#[test]
fn a_full_queue_is_told_at_once() {
    let (mut caller, _job_receiver) = caller(&Limits { max_waiting_jobs: 2, ..Limits::default() });
    for id in 0..3 {
        caller.ask(id, index(), LONG);
    }
    assert!(matches!(caller.answer(), (2, Err(HsmError::Busy))));
}

fn reveal(envelopes: usize) -> Verb {
    Verb::Reveal(vec![(PanEnvelope::seal(1, &[0; 12], &[0; 32]), Vec::new()); envelopes])
}

#[test]
fn small_jobs_of_clearing_go_together_up_to_one_batch() {
    let (caller, job_receiver) = caller(&Limits::default());
    for id in 0..20 {
        caller.ask(id, reveal(3), LONG);
    }
    let mut taken = Vec::new();
    assert!(matches!(job_receiver.take(PER_WAKE, LONG, &mut taken), TakeResult::Jobs));
    assert_eq!(taken.iter().map(|job| job.id).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn clearing_waits_behind_authorizations_but_is_not_starved() {
    let (caller, job_receiver) = caller(&Limits::default());
    for id in 0..5 {
        caller.ask(100 + id, reveal(REVEAL_BATCH), LONG);
    }
    for id in 0..40 {
        caller.ask(id, index(), LONG);
    }
    let mut taken = Vec::new();
    assert!(matches!(job_receiver.take(PER_WAKE, LONG, &mut taken), TakeResult::Jobs));
    let ids: Vec<u64> = taken.iter().map(|job| job.id).collect();
    let (patient, urgent): (Vec<u64>, Vec<u64>) = ids.iter().partition(|id| **id >= 100);
    assert_eq!(patient, [100], "one of clearing");
    assert_eq!(ids.last(), Some(&100), "and it comes last");
    assert_eq!(urgent, (0..urgent.len() as u64).collect::<Vec<_>>());
    assert!(urgent.len() >= PER_WAKE);
}
