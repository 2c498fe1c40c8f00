//! The running switch: one task runs the core, writes the pending log and carries out the core's effects.
//!
//! Events are taken in batches. The records of a batch are written with one `write`, then its messages are sent. The
//! effects that follow a promise in its event (a record that an answer relies on, see event.rs) wait until that promise
//! is on the disk; effects of other events do not wait for it.
#![expect(clippy::disallowed_methods, reason = "this is a module with the clock and the tasks")]

use crate::core::Core;
use crate::event::{
    Arrival, Ask, ConnectionId, DestinationId, Effect, Event, HsmAnswer, ListenerId, MacVerdict, Now, PinVerdict,
    Reply, Ticket,
};
use crate::fingerprint::{Kept, NotRead};
use crate::intake::Terminals;
use crate::metrics;
use crate::shell::admin::Question;
use crate::shell::store::{FingerprintThread, Fingerprints, Found, PendingLog, Syncer};
use anyhow::Context;
use codecs::frame::Framed;
use hsm::{EdgeVerdict, MacOutcome, TranslationOutcome};
use link::driver::{ConnectionEvent, ConnectionReport, Outbox, Outgoing, Sources};
use link::key::MatchKey;
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Events taken into one round: one `write` of the pending log serves them all.
const EVENTS_PER_ROUND: usize = 256;
const HSM_ANSWERS: usize = 4096;
/// The longest sleep without an event.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Promises are synced at once, other records at least this often.
const BACKGROUND_SYNC: Duration = Duration::from_millis(250);
/// At shutdown, how long connections may take to write their last frames.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// The listener or destination that a connection belongs to, in the driver's reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Originator(ListenerId),
    Destination(DestinationId),
}

/// Effects of one event that wait until a promise is on the disk.
struct DeferredEffects {
    ticket: u64,
    since: Instant,
    effects: Vec<Effect>,
}

pub(crate) struct Running {
    core: Core,
    log: PendingLog,
    syncer: Syncer,
    synced: mpsc::UnboundedReceiver<std::io::Result<u64>>,
    last_sync_ticket: u64,
    /// The ticket of the sync that puts the latest promise on the disk, and of the latest sync that is done.
    promised_by: u64,
    synced_to: u64,
    unsynced_since: Option<Instant>,
    deferred: VecDeque<DeferredEffects>,
    fingerprints: FingerprintThread,
    found: mpsc::UnboundedReceiver<(Ticket, Found)>,
    /// Questions that the fingerprints' thread had no room for, for the core.
    not_asked: Vec<Ticket>,
    outboxes: HashMap<ConnectionId, Outbox>,
    /// Messages that could not be sent, for the core.
    unsent: Vec<(DestinationId, MatchKey)>,
    hsm: hsm::Client,
    hsm_answers: mpsc::Sender<(Ticket, HsmAnswer)>,
    hsm_answered: mpsc::Receiver<(Ticket, HsmAnswer)>,
    operators: HashMap<Ticket, oneshot::Sender<Reply>>,
    last_operator: u64,
    ready: Arc<AtomicBool>,
    /// Cancelled when no further connection is to be opened.
    opening: CancellationToken,
    sources: Sources,
    /// During shutdown: when the switch stops waiting.
    ends_by: Option<Instant>,
}

impl Running {
    pub(crate) fn new(
        core: Core,
        (log, fingerprints): (PendingLog, Fingerprints),
        hsm: hsm::Client,
        ready: Arc<AtomicBool>,
        (opening, sources): (CancellationToken, Sources),
    ) -> anyhow::Result<Self> {
        let (report, synced) = mpsc::unbounded_channel();
        let (hsm_answers, hsm_answered) = mpsc::channel(HSM_ANSWERS);
        // the receiver lives as long as the switch
        let syncer = Syncer::start(move |result| _ = report.send(result)).context("pending-log thread")?;
        let (find, found) = mpsc::unbounded_channel();
        let fingerprints =
            FingerprintThread::start(fingerprints, move |ticket, answer| _ = find.send((ticket, answer)));
        Ok(Self {
            fingerprints: fingerprints.context("fingerprint thread")?,
            found,
            not_asked: Vec::new(),
            core,
            log,
            syncer,
            synced,
            last_sync_ticket: 0,
            promised_by: 0,
            synced_to: 0,
            unsynced_since: None,
            deferred: VecDeque::new(),
            outboxes: HashMap::new(),
            unsent: Vec::new(),
            hsm,
            hsm_answers,
            hsm_answered,
            operators: HashMap::new(),
            last_operator: 0,
            ready,
            opening,
            sources,
            ends_by: None,
        })
    }

    /// Writes and syncs the records that the restart made, before anything else happens.
    pub(crate) fn start(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        let mut kept = Vec::new();
        for effect in effects {
            match effect {
                Effect::Journal(record) => self.log.append(&record),
                Effect::Keep(fingerprint) => kept.push(*fingerprint),
                _ => {}
            }
        }
        self.fingerprints.keep(kept);
        self.log.write()?;
        Ok(self.log.sync_now()?)
    }

    /// Runs until `shutdown`, and then until everything under way has ended or [`Core::drained_within`] has passed.
    pub(crate) async fn serve(
        &mut self,
        mut incoming: mpsc::Receiver<ConnectionReport<Peer>>,
        mut asked: mpsc::Receiver<Question>,
        mut low: watch::Receiver<bool>,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        tokio::pin!(shutdown);
        let mut reports = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut verdicts = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut round = Round::default();
        let mut hangup = signal(SignalKind::hangup())?;
        let disk_is_low = *low.borrow_and_update();
        if disk_is_low {
            self.turn(Event::DiskLow(true), &mut round);
        }
        while !self.has_ended() {
            let wake = self.core.next_wake().min(Instant::now() + LONGEST_SLEEP);
            let wake = self.unsynced_since.map_or(wake, |since| wake.min(since + BACKGROUND_SYNC));
            let wake = self.ends_by.map_or(wake, |end| wake.min(end));
            tokio::select! {
                () = &mut shutdown, if self.ends_by.is_none() => self.drain(),
                taken = incoming.recv_many(&mut reports, EVENTS_PER_ROUND) => {
                    anyhow::ensure!(taken > 0, "every link has ended");
                }
                _ = self.hsm_answered.recv_many(&mut verdicts, EVENTS_PER_ROUND) => {}
                Some(question) = asked.recv() => {
                    let ticket = self.operator_ticket(question.reply);
                    self.turn(Event::Operator(ticket, question.command), &mut round);
                }
                Ok(()) = low.changed() => {
                    let low = *low.borrow_and_update();
                    self.turn(Event::DiskLow(low), &mut round);
                }
                Some(()) = hangup.recv() => self.read_terminals_again(),
                found = self.found.recv() => {
                    let (ticket, found) = found.context("the fingerprints' thread has ended")?;
                    self.turn(Event::Found(ticket, found), &mut round);
                }
                synced = self.synced.recv() => {
                    let synced = synced.context("the pending log's thread has ended")?;
                    self.release(synced.context("pending log")?);
                }
                () = tokio::time::sleep_until(wake.into()) => self.turn(Event::Tick, &mut round),
            }
            // events that have arrived already share this round's write
            while verdicts.len() < EVENTS_PER_ROUND
                && let Ok(verdict) = self.hsm_answered.try_recv()
            {
                verdicts.push(verdict);
            }
            while reports.len() < EVENTS_PER_ROUND
                && let Ok(report) = incoming.try_recv()
            {
                reports.push(report);
            }
            for (ticket, answer) in verdicts.drain(..) {
                self.turn(Event::HsmAnswered(ticket, answer), &mut round);
            }
            for report in reports.drain(..) {
                if let Some(event) = self.event_of(report) {
                    self.turn(event, &mut round);
                }
            }
            self.perform(&mut round)?;
            while !self.unsent.is_empty() || !self.not_asked.is_empty() {
                for (destination, key) in std::mem::take(&mut self.unsent) {
                    self.turn(Event::NotSent(destination, key), &mut round);
                }
                for ticket in std::mem::take(&mut self.not_asked) {
                    self.turn(Event::Found(ticket, Err(NotRead)), &mut round);
                }
                self.perform(&mut round)?;
            }
            self.ready.store(self.core.is_ready(), Ordering::Relaxed);
        }
        self.end(incoming).await
    }

    fn drain(&mut self) {
        self.core.drain();
        self.opening.cancel();
        self.ends_by = Some(Instant::now() + self.core.drained_within());
        tracing::info!(under_way = self.core.under_way(), "ending: nothing new is taken on");
    }

    /// Whether the shutdown is complete: nothing is under way and no effect waits for the disk, or the time is over.
    fn has_ended(&self) -> bool {
        let done = self.core.under_way() == 0 && self.deferred.is_empty();
        self.ends_by.is_some_and(|end| done || Instant::now() >= end)
    }

    /// Waits until the last answers are written, and syncs the log.
    async fn end(&mut self, mut incoming: mpsc::Receiver<ConnectionReport<Peer>>) -> anyhow::Result<()> {
        let mut open: HashSet<ConnectionId> = self.outboxes.drain().map(|(connection, _)| connection).collect();
        // a connection whose outbox is dropped closes when it has written what was in it
        let closed = async {
            while !open.is_empty() {
                match incoming.recv().await {
                    Some(ConnectionReport { connection, happening: ConnectionEvent::Down(_), .. }) => {
                        _ = open.remove(&connection)
                    }
                    Some(_) => {}
                    None => break,
                }
            }
        };
        if tokio::time::timeout(LAST_WRITES, closed).await.is_err() {
            tracing::warn!("a connection did not take its last answers");
        }
        self.log.write()?;
        self.log.sync_now().context("pending log")?;
        let (under_way, owed) = (self.core.under_way(), self.core.owed());
        tracing::info!(under_way, owed, "ended: what is owed waits in the pending log");
        Ok(())
    }

    /// On SIGHUP: terminals that were added or re-keyed work without a restart.
    fn read_terminals_again(&mut self) {
        match Terminals::load(&self.core.config().terminal_keys) {
            Ok(terminals) => {
                tracing::info!(terminals = terminals.len(), "terminal keys read again");
                self.core.replace_terminals(terminals);
            }
            Err(error) => tracing::error!(%error, "the terminal keys stay as they were"),
        }
    }

    fn operator_ticket(&mut self, reply: oneshot::Sender<Reply>) -> Ticket {
        self.last_operator += 1;
        let ticket = Ticket(self.last_operator);
        self.operators.retain(|_, waiting| !waiting.is_closed());
        self.operators.insert(ticket, reply);
        ticket
    }

    /// Turns a driver's report into an event, and keeps the outboxes of the connections.
    fn event_of(&mut self, report: ConnectionReport<Peer>) -> Option<Event> {
        let ConnectionReport { link, connection, happening } = report;
        Some(match (link, happening) {
            (Peer::Originator(listener), ConnectionEvent::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::OriginatorConnected(listener, connection)
            }
            (Peer::Destination(destination), ConnectionEvent::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::DestinationConnected(destination, connection)
            }
            (Peer::Originator(listener), ConnectionEvent::Message(header, message, place)) => {
                Event::FromOriginator(Box::new(Arrival { listener, connection, header, message: *message, place }))
            }
            (Peer::Destination(destination), ConnectionEvent::Message(_, message, _)) => {
                Event::FromDestination(destination, connection, message)
            }
            (peer, ConnectionEvent::Down(_)) => {
                self.outboxes.remove(&connection);
                match peer {
                    Peer::Originator(listener) => Event::OriginatorGone(listener, connection),
                    Peer::Destination(destination) => Event::DestinationGone(destination, connection),
                }
            }
        })
    }

    /// Runs the core on one event and sorts its effects: records for the log, effects that wait for a promise, and the
    /// others.
    fn turn(&mut self, event: Event, round: &mut Round) {
        let mut effects = Vec::new();
        self.core.handle(now(), event, &mut effects);
        let mut behind = Vec::new();
        let (mut promised, mut waits) = (false, false);
        for effect in effects {
            match effect {
                Effect::Journal(record) => {
                    promised |= record.must_be_durable();
                    self.log.append(&record);
                    round.records += 1;
                }
                Effect::Keep(kept) => round.kept.push(*kept),
                Effect::Promise => promised = true,
                Effect::AfterSync => waits |= round.promised || self.promised_by > self.synced_to,
                other if promised || waits => behind.push(other),
                other => round.effects.push(other),
            }
        }
        round.promised |= promised;
        if !behind.is_empty() {
            round.behind.push(behind);
        }
    }

    /// Writes the records, asks for a sync where one is due, then carries out the effects that do not wait.
    fn perform(&mut self, round: &mut Round) -> anyhow::Result<()> {
        if round.records > 0 {
            metrics::journaled(round.records);
            self.unsynced_since.get_or_insert_with(Instant::now);
            self.log.write()?;
        }
        if !round.kept.is_empty() {
            self.fingerprints.keep(std::mem::take(&mut round.kept));
        }
        let overdue = self.unsynced_since.is_some_and(|since| since.elapsed() >= BACKGROUND_SYNC);
        if round.promised || overdue {
            self.last_sync_ticket += 1;
            self.unsynced_since = None;
            self.syncer.request(self.log.begin_sync(self.last_sync_ticket), self.last_sync_ticket);
        }
        if round.promised {
            self.promised_by = self.last_sync_ticket;
        }
        // effects of an event without a promise of its own wait for the latest one made before
        let (ticket, since) = (self.promised_by, Instant::now());
        let behind = round.behind.drain(..).map(|effects| DeferredEffects { ticket, since, effects });
        self.deferred.extend(behind);
        for effect in round.effects.drain(..) {
            self.perform_one(effect);
        }
        *round = Round { effects: std::mem::take(&mut round.effects), ..Round::default() };
        Ok(())
    }

    /// Everything up to `ticket` is on the disk: carries out the effects that waited for it.
    fn release(&mut self, ticket: u64) {
        self.synced_to = ticket;
        self.log.synced(ticket);
        while self.deferred.front().is_some_and(|deferred| deferred.ticket <= ticket) {
            let Some(deferred) = self.deferred.pop_front() else { break };
            metrics::synced(deferred.since.elapsed());
            for effect in deferred.effects {
                self.perform_one(effect);
            }
        }
    }

    fn perform_one(&mut self, effect: Effect) {
        match effect {
            Effect::Answer { connection, header, body, place } => {
                // an originator that does not take its answer repeats or reverses
                let _ = self.send(connection, Outgoing { framed: Framed { header, body }, place });
            }
            Effect::Send { destination, connection, body, key } => {
                let sent = self.send(connection, Framed::bare(body).into());
                self.unsent.extend(key.filter(|_| !sent).map(|key| (destination, key)));
            }
            Effect::AskHsm(ticket, ask) => self.ask(ticket, ask),
            Effect::Find(ticket, question) => {
                if self.fingerprints.find(ticket, *question).is_err() {
                    self.not_asked.push(ticket);
                }
            }
            Effect::ForgetTo(hour) => self.fingerprints.forget_to(hour),
            // the connection's task ends when its outbox is dropped
            Effect::Close { connection } => _ = self.outboxes.remove(&connection),
            Effect::SignedOn { connection } => self.sources.signed_on(connection),
            Effect::Reply(ticket, reply) => {
                if let Some(waiting) = self.operators.remove(&ticket) {
                    // the operator may have gone
                    let _ = waiting.send(reply);
                }
            }
            Effect::Journal(_) | Effect::Keep(_) | Effect::Promise | Effect::AfterSync => {
                unreachable!("seen to when its event was handled")
            }
        }
    }

    /// Puts a frame into the outbox of its connection; false if that is gone or full.
    fn send(&mut self, connection: ConnectionId, outgoing: Outgoing) -> bool {
        let Some(outbox) = self.outboxes.get(&connection) else { return false };
        let sent = outbox.try_send(outgoing).is_ok();
        if !sent {
            tracing::warn!(connection = connection.0, "the peer does not read: its connection is closed");
            self.outboxes.remove(&connection);
        }
        sent
    }

    fn ask(&self, ticket: Ticket, ask: Ask) {
        let (hsm, answers) = (self.hsm.clone(), self.hsm_answers.clone());
        tokio::spawn(async move {
            let answer = match ask {
                Ask::Edge(check) => hsm.edge(*check).await.map(edge_answer),
                Ask::Mac { key, data } => hsm.mac(key, &data).await.map(HsmAnswer::Mac),
            };
            let answer = answer.unwrap_or_else(|error| {
                tracing::warn!(%error, "no verdict from the HSM");
                HsmAnswer::Failed
            });
            // fails only when the switch has ended
            let _ = answers.send((ticket, answer)).await;
        });
    }
}

/// The effects of one round's events.
#[derive(Default)]
struct Round {
    effects: Vec<Effect>,
    behind: Vec<Vec<Effect>>,
    records: u64,
    kept: Vec<Kept>,
    promised: bool,
}

fn edge_answer(verdict: EdgeVerdict) -> HsmAnswer {
    let mac = match verdict.mac {
        None => MacVerdict::NotAsked,
        Some(MacOutcome::Ok) => MacVerdict::Right,
        Some(MacOutcome::Wrong) => MacVerdict::Wrong,
    };
    let pin = match verdict.pin {
        None => PinVerdict::NotAsked,
        Some(TranslationOutcome::Translated(block)) => PinVerdict::Translated(block),
        Some(TranslationOutcome::FormatError) => PinVerdict::FormatError,
    };
    HsmAnswer::Edge { mac, pin }
}

pub(crate) fn now() -> Now {
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { mono: Instant::now(), wall_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX) }
}
