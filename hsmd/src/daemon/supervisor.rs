//! The one thread that touches the module: serves jobs, probes the module's health, reopens it when it fails or has to be
//! recycled.
//!
//! One thread, because SoftHSM gains nothing from a second (global locks on every path) and crashes when it is finalized
//! under a live call; with one thread no other call can be running. Reopening takes 20 to 50 ms. The daemons of one token
//! take turns: the daemon that holds the reopen lock tells its clients to send elsewhere, serves the requests that have
//! already come, and reopens. If there is no other daemon, requests wait.
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hsm::verb::{Answer, Verb};
use hsm::{HsmError, ModuleState};

use crate::config::Limits;
use crate::daemon::queue::{Job, JobReceiver, TakeResult};
use crate::daemon::reopen_lock::{ReopenLock, ReopenLockGuard};
use crate::daemon::status::Status;
use crate::daemon::{observe, stack};
use crate::keys::key_file::KeyFile;
use crate::module::{Fault, Module};
use crate::token::source::ModuleSource;
use crate::verbs;
use crate::verbs::working_keys::WorkingKeys;

/// Jobs taken per wake-up.
const PER_WAKE: usize = 32;
/// Answers are handed back in batches, each at most so long after its first job began: waking a connection's task for every
/// single answer costs more than most verbs. There is more than one answer in a batch only when callers queue anyway.
const HAND_BACK_EVERY: Duration = Duration::from_millis(1);
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The same while the token does not answer.
const PROBE_EVERY_DEGRADED: Duration = Duration::from_millis(200);
/// Between attempts to open a module that is down, and least time between reopenings caused by failing jobs.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

/// Before it reopens the module a daemon serves the requests on their way to it: until none has come for `QUIET`, or `DRAIN` has
/// passed.
const QUIET: Duration = Duration::from_millis(2);
const DRAIN: Duration = Duration::from_millis(25);
/// How long a request to reopen waits for the reopen lock. A daemon that holds the lock longer is itself failing.
const LOCK_WITHIN: Duration = Duration::from_secs(2);

/// Failed openings per log line.
const LOG_EVERY: u32 = 20;

/// Why the module is down.
#[derive(Debug, thiserror::Error)]
enum DownReason<E: std::error::Error> {
    #[error("{0}")]
    Module(E),
    #[error("{0}")]
    KeyFile(io::Error),
}

/// The open module, with the state that lives as long as it is open.
struct OpenModule<M: Module> {
    // declared before the module: handles must be dropped first
    working: WorkingKeys<M::Key>,
    key_file: KeyFile,
    /// Modification time of the key file as it was read.
    key_file_modified: Option<SystemTime>,
    module: M,
}

/// A request to reopen the module while it still serves.
struct ReopenRequest {
    why: &'static str,
    since: Instant,
    /// Set once this daemon may reopen and has told its clients: the end of draining, and the lock if it was free.
    draining: Option<(Instant, Option<ReopenLockGuard>)>,
}

pub(crate) struct Supervisor<S: ModuleSource> {
    source: S,
    keys_dir: PathBuf,
    limits: Limits,
    reopen_lock: ReopenLock,
    reopen_request: Option<ReopenRequest>,
    job_receiver: JobReceiver,
    status: Arc<Status>,
    module: Option<OpenModule<S::Module>>,
    degraded: bool,
    failed_opens: u32,
    served: observe::ServedMetrics,
    next_probe: Instant,
    next_open: Instant,
}

impl<S: ModuleSource> Supervisor<S> {
    pub(crate) fn new(
        source: S,
        keys_dir: PathBuf,
        limits: Limits,
        reopen_lock: ReopenLock,
        job_receiver: JobReceiver,
    ) -> Self {
        let now = Instant::now();
        let status = Arc::clone(&job_receiver.status);
        Self {
            source,
            keys_dir,
            limits,
            reopen_lock,
            reopen_request: None,
            job_receiver,
            status,
            module: None,
            degraded: false,
            failed_opens: 0,
            served: observe::ServedMetrics::new(),
            next_probe: now + PROBE_EVERY,
            next_open: now,
        }
    }

    /// Runs until every job sender has been dropped.
    pub(crate) fn run(mut self) {
        let mut jobs = Vec::with_capacity(PER_WAKE + 1);
        loop {
            if self.module.is_none() && Instant::now() >= self.next_open {
                self.open("start");
            }
            let goes_on = if self.module.is_some() { self.serve_waiting(&mut jobs) } else { self.refuse_waiting() };
            if !goes_on {
                self.close();
                return;
            }
            self.maintain();
            self.status.leave();
        }
    }

    fn serve_waiting(&mut self, jobs: &mut Vec<Job>) -> bool {
        let draining = self.reopen_request.as_ref().is_some_and(|request| request.draining.is_some());
        let patience = if draining { QUIET } else { self.next_probe.saturating_duration_since(Instant::now()) };
        match self.job_receiver.take(PER_WAKE, patience, jobs) {
            TakeResult::Ended => return false,
            TakeResult::Nothing if draining => {
                self.reopen_as_requested();
                return true;
            }
            TakeResult::Nothing => return true,
            TakeResult::Jobs => {}
        }
        let mut done = Vec::with_capacity(jobs.len());
        let mut handed_back = Instant::now();
        for job in jobs.drain(..) {
            let (result, now) = self.serve(&job);
            done.push((job, result));
            if now >= handed_back + HAND_BACK_EVERY {
                stack::overwrite_below();
                hand_back(&mut done);
                handed_back = now;
            }
        }
        stack::overwrite_below();
        hand_back(&mut done);
        true
    }

    /// While the module is down, jobs are refused at once: the switch can stand in, and the queues stay short.
    fn refuse_waiting(&mut self) -> bool {
        let patience = self.next_open.saturating_duration_since(Instant::now());
        match self.job_receiver.take_one(patience) {
            Ok(Some(job)) => {
                let result = Err(HsmError::Unavailable("the module is down"));
                self.served.count(job.verb.kind(), &result, job.received.elapsed(), Duration::ZERO);
                job.answer(result);
                true
            }
            Ok(None) => true,
            Err(()) => false,
        }
    }

    /// The answer to a job, and the time at which it was ready. Never inlined: its stack frame is overwritten before the answer
    /// is sent.
    #[inline(never)]
    fn serve(&mut self, job: &Job) -> (Result<Answer, HsmError>, Instant) {
        let begun = Instant::now();
        self.status.enter(begun);
        if begun >= job.deadline {
            observe::expired();
            return (Err(HsmError::Unavailable("it waited longer than its caller does")), begun);
        }
        let mut result = self.perform(&job.verb);
        if let Err(Fault::Device(why)) = &result {
            tracing::error!(verb = job.verb.kind().label(), error = %why, "the module failed");
            // a request that makes the module fail must not cause a reopening each time it is repeated
            if begun >= self.next_open {
                self.reopen("failure");
                result = self.perform(&job.verb);
            }
        }
        match &result {
            Err(Fault::Request(why) | Fault::Refused(why)) => {
                tracing::warn!(verb = job.verb.kind().label(), reason = why, "request refused");
            }
            Err(Fault::KeyMissing(key)) => tracing::warn!(verb = job.verb.kind().label(), key, "no such key"),
            Err(Fault::Device(_)) | Ok(_) => {}
        }
        let result = result.map_err(HsmError::from);
        let now = Instant::now();
        self.served.count(job.verb.kind(), &result, begun - job.received, now - begun);
        (result, now)
    }

    fn perform(&mut self, verb: &Verb) -> Result<Answer, Fault> {
        let Some(open) = &mut self.module else { return Err(Fault::Device("not open".into())) };
        match verb {
            Verb::DataKey(name) => open.key_file.open(&open.module, name).map(Answer::DataKey),
            Verb::TransportKcv => {
                open.key_file.transport_kcv_now(&open.module).map(|kcv| Answer::TransportKcv(kcv.to_owned()))
            }
            verb => verbs::perform(&open.module, &mut open.working, verb),
        }
    }

    /// Work between jobs: recycling, probing, metrics.
    fn maintain(&mut self) {
        let now = Instant::now();
        let created = self.module.as_ref().map_or(0, |open| S::created(&open.module));
        self.status.set_objects(created);
        if self.status.take_reopen_request() {
            self.source.allow_retry();
            self.request_reopen("asked", now);
        }
        // while the token does not answer, only the session copies of its keys are left: recycling would lose them
        if !self.degraded && created >= self.limits.recycle_objects / 5 * 4 {
            self.request_reopen("recycle", now);
        }
        self.advance_reopen(created, now);
        if now >= self.next_probe {
            self.probe();
            self.watch_generations(now);
            self.next_probe = now + if self.degraded { PROBE_EVERY_DEGRADED } else { PROBE_EVERY };
            observe::module(self.status.state(), created, self.job_receiver.depth());
        }
    }

    /// Makes a generation current when its time has come, and reopens the module when a rotation has made a new one.
    fn watch_generations(&mut self, now: Instant) {
        let Some(open) = &self.module else { return };
        open.module.set_generations(&open.key_file.generations, jiff::Timestamp::now().as_second());
        if KeyFile::changed(&self.keys_dir) != open.key_file_modified && !self.degraded {
            self.request_reopen("keys changed", now);
        }
    }

    fn request_reopen(&mut self, why: &'static str, now: Instant) {
        if self.module.is_none() {
            // the module is closed: nothing has to be drained
            self.next_open = now;
        } else if self.reopen_request.is_none() {
            self.reopen_request = Some(ReopenRequest { why, since: now, draining: None });
        }
    }

    /// Starts draining when the reopen lock is free or the request cannot wait longer; reopens when draining has lasted long
    /// enough.
    fn advance_reopen(&mut self, created: u64, now: Instant) {
        let Some(request) = &mut self.reopen_request else { return };
        if let Some((until, _)) = request.draining {
            if now >= until {
                self.reopen_as_requested();
            }
            return;
        }
        let guard = self.reopen_lock.try_acquire();
        let pressing = created >= self.limits.recycle_objects || now >= request.since + LOCK_WITHIN;
        if guard.is_some() || pressing {
            request.draining = Some((now + DRAIN, guard));
            self.status.set_accepting(false);
        }
    }

    fn reopen_as_requested(&mut self) {
        if let Some(request) = self.reopen_request.take() {
            self.reopen(request.why);
            // releases the reopen lock, now that the module is open again
            drop(request);
        }
    }

    fn probe(&mut self) {
        let Some(open) = &self.module else { return };
        self.status.enter(Instant::now());
        match (S::probe(&open.module), self.degraded) {
            (Ok(()), false) => {}
            (Ok(()), true) => self.reopen("token came back"),
            (Err(error), false) => {
                tracing::error!(%error, "the token does not answer; serving from session copies of its keys");
                self.degraded = true;
                self.reopen_request = None;
                self.status.set_state(ModuleState::Degraded, "the token does not answer");
            }
            (Err(_), true) => {
                if self.source.would_open() {
                    self.reopen("token came back");
                }
            }
        }
    }

    fn open(&mut self, why: &'static str) {
        let begun = Instant::now();
        self.status.enter(begun);
        self.next_open = begun + REOPEN_EVERY;
        let key_file_modified = KeyFile::changed(&self.keys_dir);
        let opened = self.source.open().map_err(DownReason::Module).and_then(|module| {
            KeyFile::load(&self.keys_dir).map(|key_file| (module, key_file)).map_err(DownReason::KeyFile)
        });
        match opened {
            Ok((module, key_file)) => {
                let working = WorkingKeys::new(self.limits.working_keys);
                module.set_generations(&key_file.generations, jiff::Timestamp::now().as_second());
                self.module = Some(OpenModule { working, key_file, key_file_modified, module });
                self.degraded = false;
                self.failed_opens = 0;
                self.status.count_initialisation();
                self.status.set_state(ModuleState::Up, "");
                observe::opened(why, begun.elapsed());
                tracing::info!(why, took_us = begun.elapsed().as_micros() as u64, "module open");
            }
            Err(error) => {
                // logging every attempt would give a line each half second
                if self.failed_opens.is_multiple_of(LOG_EVERY) {
                    tracing::error!(why, attempt = self.failed_opens + 1, %error, "the module cannot be opened");
                }
                self.failed_opens += 1;
                self.status.set_state(ModuleState::Down, &error.to_string());
            }
        }
        observe::module(self.status.state(), 0, self.job_receiver.depth());
    }

    fn close(&mut self) {
        self.reopen_request = None;
        if let Some(OpenModule { working, module, .. }) = self.module.take() {
            drop(working);
            self.source.close(module);
        }
    }

    fn reopen(&mut self, why: &'static str) {
        self.close();
        self.open(why);
    }
}

fn hand_back(done: &mut Vec<(Job, Result<Answer, HsmError>)>) {
    for (job, result) in done.drain(..) {
        job.answer(result);
    }
}

#[cfg(test)]
mod tests;
