//! The one thread that touches the module: serves jobs, probes the module's health, reopens it when it fails or has to be
//! recycled.
//!
//! One thread, because SoftHSM gains nothing from a second (global locks on every path) and crashes when it is finalized
//! under a live call; here nothing else can be inside it. Opening anew takes 20 to 50 ms. Daemons of one token take turns
//! at it: the one whose turn it is asks its clients to send elsewhere, serves what has already come, and goes. Where there
//! is no other daemon, requests wait.
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hsm::verb::{Answer, Verb};
use hsm::{HsmError, ModuleState};

use crate::config::Limits;
use crate::daemon::queue::{Job, Outlet, Taken};
use crate::daemon::status::Status;
use crate::daemon::turn::{Turn, Turns};
use crate::daemon::{observe, stack};
use crate::keys::key_file::KeyFile;
use crate::module::{Fault, Module};
use crate::token::source::Source;
use crate::verbs;
use crate::verbs::working_keys::WorkingKeys;

/// Jobs taken per wake-up.
const PER_WAKE: usize = 32;
/// Answers are handed back when they have taken so long together: waking a connection's task, its write and the client's next
/// requests in ones and twos cost more than most verbs. There are several at once only when callers queue anyway.
const HAND_BACK_EVERY: Duration = Duration::from_millis(1);
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// The same while the token is out of sight.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Between attempts to open a module that is down, and at least between openings that failing jobs bring about.
const REOPEN_EVERY: Duration = Duration::from_millis(500);

/// Before it opens anew a daemon serves what is on its way to it: until nothing has come for `QUIET`, or `DRAIN` has passed.
const QUIET: Duration = Duration::from_millis(2);
const DRAIN: Duration = Duration::from_millis(25);
/// How long a wish to open anew waits for its turn. Another daemon that holds it longer is in trouble itself.
const TURN_WITHIN: Duration = Duration::from_secs(2);

/// Failed openings per log line.
const LOG_EVERY: u32 = 20;

/// An open module with what hangs on it.
struct Engine<M: Module> {
    // before the module: handles must go first
    working: WorkingKeys<M::Key>,
    key_file: KeyFile,
    /// When the key file had been changed last, as it was read.
    key_file_of: Option<SystemTime>,
    module: M,
}

/// A wish to open the module anew while it still serves.
struct Wish {
    why: &'static str,
    since: Instant,
    /// Set once it is this daemon's turn: clients have been told, and this is when waiting for them ends.
    draining: Option<(Instant, Option<Turn>)>,
}

pub(crate) struct Supervisor<S: Source> {
    source: S,
    keys_dir: PathBuf,
    limits: Limits,
    turns: Turns,
    wish: Option<Wish>,
    outlet: Outlet,
    status: Arc<Status>,
    engine: Option<Engine<S::Module>>,
    degraded: bool,
    failed_opens: u32,
    served: observe::Served,
    next_probe: Instant,
    next_open: Instant,
}

impl<S: Source> Supervisor<S> {
    pub(crate) fn new(source: S, keys_dir: PathBuf, limits: Limits, turns: Turns, outlet: Outlet) -> Self {
        let now = Instant::now();
        let status = Arc::clone(&outlet.status);
        Self {
            source,
            keys_dir,
            limits,
            turns,
            wish: None,
            outlet,
            status,
            engine: None,
            degraded: false,
            failed_opens: 0,
            served: observe::Served::new(),
            next_probe: now + PROBE_EVERY,
            next_open: now,
        }
    }

    /// Runs until every intake has been dropped.
    pub(crate) fn run(mut self) {
        let mut jobs = Vec::with_capacity(PER_WAKE + 1);
        loop {
            if self.engine.is_none() && Instant::now() >= self.next_open {
                self.open("start");
            }
            let goes_on = if self.engine.is_some() { self.serve_waiting(&mut jobs) } else { self.refuse_waiting() };
            if !goes_on {
                self.close();
                return;
            }
            self.tend();
            self.status.leave();
        }
    }

    fn serve_waiting(&mut self, jobs: &mut Vec<Job>) -> bool {
        let draining = self.wish.as_ref().is_some_and(|wish| wish.draining.is_some());
        let patience = if draining { QUIET } else { self.next_probe.saturating_duration_since(Instant::now()) };
        match self.outlet.take(PER_WAKE, patience, jobs) {
            Taken::Ended => return false,
            Taken::Nothing if draining => {
                self.open_as_wished();
                return true;
            }
            Taken::Nothing => return true,
            Taken::Jobs => {}
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

    /// While the module is down callers learn so at once: the switch can stand in, and nothing piles up.
    fn refuse_waiting(&mut self) -> bool {
        let patience = self.next_open.saturating_duration_since(Instant::now());
        match self.outlet.take_one(patience) {
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

    /// The answer to a job, and when it was there. In a frame of its own: what it leaves on the stack is overwritten before
    /// anybody is answered.
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
            // a request that makes the module fail must not make it be reopened for every repeat of it
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
        let Some(engine) = &mut self.engine else { return Err(Fault::Device("not open".into())) };
        match verb {
            Verb::DataKey(name) => engine.key_file.open(&engine.module, name).map(Answer::DataKey),
            Verb::TransportKcv => {
                engine.key_file.transport_kcv_now(&engine.module).map(|kcv| Answer::TransportKcv(kcv.to_owned()))
            }
            verb => verbs::perform(&engine.module, &mut engine.working, verb),
        }
    }

    /// Between jobs: recycling, probing, figures.
    fn tend(&mut self) {
        let now = Instant::now();
        let created = self.engine.as_ref().map_or(0, |engine| S::created(&engine.module));
        self.status.set_objects(created);
        if self.status.take_reopen_request() {
            self.source.forgive();
            self.wish_for("asked", now);
        }
        // while the token is out of sight its copies are all there is: recycling would lose them
        if !self.degraded && created >= self.limits.recycle_objects / 5 * 4 {
            self.wish_for("recycle", now);
        }
        self.grant(created, now);
        if now >= self.next_probe {
            self.probe();
            self.watch_generations(now);
            self.next_probe = now + if self.degraded { LOOK_EVERY } else { PROBE_EVERY };
            observe::module(self.status.state(), created, self.outlet.depth());
        }
    }

    /// A generation that a rotation has made is looked for, one whose time has come is put to use.
    fn watch_generations(&mut self, now: Instant) {
        let Some(engine) = &self.engine else { return };
        engine.module.learn(&engine.key_file.generations, jiff::Timestamp::now().as_second());
        if KeyFile::changed(&self.keys_dir) != engine.key_file_of && !self.degraded {
            self.wish_for("keys changed", now);
        }
    }

    fn wish_for(&mut self, why: &'static str, now: Instant) {
        if self.engine.is_none() {
            // nothing serves that would have to be drained
            self.next_open = now;
        } else if self.wish.is_none() {
            self.wish = Some(Wish { why, since: now, draining: None });
        }
    }

    /// Begins to drain when it is this daemon's turn, or when waiting for it has to end; ends it in time.
    fn grant(&mut self, created: u64, now: Instant) {
        let Some(wish) = &mut self.wish else { return };
        if let Some((until, _)) = wish.draining {
            if now >= until {
                self.open_as_wished();
            }
            return;
        }
        let turn = self.turns.take();
        let pressing = created >= self.limits.recycle_objects || now >= wish.since + TURN_WITHIN;
        if turn.is_some() || pressing {
            wish.draining = Some((now + DRAIN, turn));
            self.status.welcome(false);
        }
    }

    fn open_as_wished(&mut self) {
        if let Some(wish) = self.wish.take() {
            self.reopen(wish.why);
            // the turn goes with it, now that the module is open again
            drop(wish);
        }
    }

    fn probe(&mut self) {
        let Some(engine) = &self.engine else { return };
        self.status.enter(Instant::now());
        match (S::probe(&engine.module), self.degraded) {
            (Ok(()), false) => {}
            (Ok(()), true) => self.reopen("token came back"),
            (Err(error), false) => {
                tracing::error!(%error, "the token does not answer; serving from session copies of its keys");
                self.degraded = true;
                self.wish = None;
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
        let key_file_of = KeyFile::changed(&self.keys_dir);
        let opened = self.source.open().and_then(|module| {
            KeyFile::load(&self.keys_dir).map(|key_file| (module, key_file)).map_err(|error| error.to_string())
        });
        match opened {
            Ok((module, key_file)) => {
                let working = WorkingKeys::new(self.limits.working_keys);
                module.learn(&key_file.generations, jiff::Timestamp::now().as_second());
                self.engine = Some(Engine { working, key_file, key_file_of, module });
                self.degraded = false;
                self.failed_opens = 0;
                self.status.count_initialisation();
                self.status.set_state(ModuleState::Up, "");
                observe::opened(why, begun.elapsed());
                tracing::info!(why, took_us = begun.elapsed().as_micros() as u64, "module open");
            }
            Err(error) => {
                // every attempt would be a line each half second
                if self.failed_opens.is_multiple_of(LOG_EVERY) {
                    tracing::error!(why, attempt = self.failed_opens + 1, %error, "the module cannot be opened");
                }
                self.failed_opens += 1;
                self.status.set_state(ModuleState::Down, &error);
            }
        }
        observe::module(self.status.state(), 0, self.outlet.depth());
    }

    fn close(&mut self) {
        self.wish = None;
        if let Some(Engine { working, module, .. }) = self.engine.take() {
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
