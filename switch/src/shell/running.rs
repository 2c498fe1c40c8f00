//! The switch at work: one task runs the core, writes the pending log and does what the core wants done.
//!
//! Events are taken in batches. What a batch journals is written with one `write`, then its messages leave; what
//! follows a promise (an owed message) in its event waits until that promise is on the disk, and nothing else waits
//! with it.
#![expect(clippy::disallowed_methods, reason = "this is a module with the clock and the tasks")]

use crate::core::Core;
use crate::event::{
    Arrival, Ask, ConnectionId, DestinationId, Effect, Event, HsmAnswer, ListenerId, MacVerdict, Now, PinVerdict,
    Reply, Ticket,
};
use crate::intake::Terminals;
use crate::metrics;
use crate::shell::admin::Question;
use crate::shell::store::{PendingLog, Syncer};
use anyhow::Context;
use bytes::Bytes;
use codecs::frame::Framed;
use hsm::{EdgeVerdict, MacOutcome, TranslationOutcome};
use link::driver::{Happening, Outbox, Report};
use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Events taken into one round: one `write` of the pending log serves them all.
const EVENTS_PER_ROUND: usize = 256;
const HSM_ANSWERS: usize = 4096;
/// The longest sleep without an event.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);
/// Promises are synced at once; the rest at least so often.
const BACKGROUND_SYNC: Duration = Duration::from_millis(250);
/// At the end connections have so long to write what they still hold.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// A link of the switch, as its driver's reports name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Originator(ListenerId),
    Destination(DestinationId),
}

/// Effects of one event that wait for a promise to be durable.
struct Deferred {
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
    /// The sync that puts the youngest promise on the disk, and the youngest that is done.
    promised_by: u64,
    synced_to: u64,
    unsynced_since: Option<Instant>,
    deferred: VecDeque<Deferred>,
    outboxes: HashMap<ConnectionId, Outbox>,
    hsm: hsm::Client,
    hsm_answers: mpsc::Sender<(Ticket, HsmAnswer)>,
    hsm_answered: mpsc::Receiver<(Ticket, HsmAnswer)>,
    operators: HashMap<Ticket, oneshot::Sender<Reply>>,
    last_operator: u64,
    ready: Arc<AtomicBool>,
    /// Cancelled when no further connection is wanted.
    opening: CancellationToken,
    /// While the switch is ending: when it does not wait any longer.
    ends_by: Option<Instant>,
}

impl Running {
    pub(crate) fn new(
        core: Core,
        log: PendingLog,
        hsm: hsm::Client,
        ready: Arc<AtomicBool>,
        opening: CancellationToken,
    ) -> anyhow::Result<Self> {
        let (report, synced) = mpsc::unbounded_channel();
        let (hsm_answers, hsm_answered) = mpsc::channel(HSM_ANSWERS);
        // the receiver lives as long as the switch
        let syncer = Syncer::start(move |result| _ = report.send(result)).context("pending-log thread")?;
        Ok(Self {
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
            hsm,
            hsm_answers,
            hsm_answered,
            operators: HashMap::new(),
            last_operator: 0,
            ready,
            opening,
            ends_by: None,
        })
    }

    /// What the restart made owed is durable before anything else happens.
    pub(crate) fn start(&mut self, effects: Vec<Effect>) -> anyhow::Result<()> {
        for effect in effects {
            if let Effect::Journal(record) = effect {
                self.log.append(&record);
            }
        }
        self.log.write()?;
        Ok(self.log.file().sync_data()?)
    }

    /// Until `shutdown`, and then until what was under way has ended.
    pub(crate) async fn serve(
        &mut self,
        mut incoming: mpsc::Receiver<Report<Peer>>,
        mut asked: mpsc::Receiver<Question>,
        shutdown: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        tokio::pin!(shutdown);
        let mut reports = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut verdicts = Vec::with_capacity(EVENTS_PER_ROUND);
        let mut round = Round::default();
        let mut hangup = signal(SignalKind::hangup())?;
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
                Some(()) = hangup.recv() => self.read_terminals_again(),
                Some(synced) = self.synced.recv() => self.release(synced.context("pending log")?),
                () = tokio::time::sleep_until(wake.into()) => self.turn(Event::Tick, &mut round),
            }
            // whatever else is there already shares this round's write
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

    /// Everything is answered, and what was promised with it is on the disk; or it took too long.
    fn has_ended(&self) -> bool {
        let done = self.core.under_way() == 0 && self.deferred.is_empty();
        self.ends_by.is_some_and(|end| done || Instant::now() >= end)
    }

    /// The last answers leave, the log is synced.
    async fn end(&mut self, mut incoming: mpsc::Receiver<Report<Peer>>) -> anyhow::Result<()> {
        let mut open: HashSet<ConnectionId> = self.outboxes.drain().map(|(connection, _)| connection).collect();
        // a connection whose outbox is dropped closes when it has written what was in it
        let closed = async {
            while !open.is_empty() {
                match incoming.recv().await {
                    Some(Report { connection, happening: Happening::Down(_), .. }) => _ = open.remove(&connection),
                    Some(_) => {}
                    None => break,
                }
            }
        };
        if tokio::time::timeout(LAST_WRITES, closed).await.is_err() {
            tracing::warn!("a connection did not take its last answers");
        }
        self.log.write()?;
        self.log.file().sync_data().context("pending log")?;
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

    /// A driver's report as an event; outboxes are kept here, where sending is.
    fn event_of(&mut self, report: Report<Peer>) -> Option<Event> {
        let Report { link, connection, happening } = report;
        Some(match (link, happening) {
            (Peer::Originator(listener), Happening::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::OriginatorConnected(listener, connection)
            }
            (Peer::Destination(destination), Happening::Up(outbox)) => {
                self.outboxes.insert(connection, outbox);
                Event::DestinationConnected(destination, connection)
            }
            (Peer::Originator(listener), Happening::Message(header, message, place)) => {
                Event::FromOriginator(Box::new(Arrival { listener, connection, header, message: *message, place }))
            }
            (Peer::Destination(destination), Happening::Message(_, message, _)) => {
                Event::FromDestination(destination, connection, message)
            }
            (peer, Happening::Down(_)) => {
                self.outboxes.remove(&connection);
                match peer {
                    Peer::Originator(listener) => Event::OriginatorGone(listener, connection),
                    Peer::Destination(destination) => Event::DestinationGone(destination, connection),
                }
            }
        })
    }

    /// Runs the core on one event and sorts its effects: journal now, the rest before or behind a promise.
    fn turn(&mut self, event: Event, round: &mut Round) {
        let mut effects = Vec::new();
        self.core.handle(now(), event, &mut effects);
        let mut behind = Vec::new();
        let (mut promised, mut waits) = (false, false);
        for effect in effects {
            match effect {
                Effect::Journal(record) => {
                    promised |= record.is_promise();
                    self.log.append(&record);
                    round.records += 1;
                }
                Effect::AfterPromises => waits |= round.promised || self.promised_by > self.synced_to,
                other if promised || waits => behind.push(other),
                other => round.effects.push(other),
            }
        }
        round.promised |= promised;
        if !behind.is_empty() {
            round.behind.push(behind);
        }
    }

    /// Writes what was journaled, then does what may be done; promises go to the disk first.
    fn perform(&mut self, round: &mut Round) -> anyhow::Result<()> {
        if round.records > 0 {
            metrics::journaled(round.records);
            self.unsynced_since.get_or_insert_with(Instant::now);
            self.log.write()?;
        }
        let overdue = self.unsynced_since.is_some_and(|since| since.elapsed() >= BACKGROUND_SYNC);
        if round.promised || overdue {
            self.last_sync_ticket += 1;
            self.unsynced_since = None;
            self.syncer.request(self.log.file(), self.last_sync_ticket);
        }
        if round.promised {
            self.promised_by = self.last_sync_ticket;
        }
        // what made no promise itself waits for one that is on its way already
        let (ticket, since) = (self.promised_by, Instant::now());
        let behind = round.behind.drain(..).map(|effects| Deferred { ticket, since, effects });
        self.deferred.extend(behind);
        for effect in round.effects.drain(..) {
            self.perform_one(effect);
        }
        *round = Round { effects: std::mem::take(&mut round.effects), ..Round::default() };
        Ok(())
    }

    /// Everything up to `ticket` is on the disk.
    fn release(&mut self, ticket: u64) {
        self.synced_to = ticket;
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
            Effect::Answer { connection, header, body } => self.send(connection, header, body),
            Effect::Send { connection, body, .. } => self.send(connection, Bytes::new(), body),
            Effect::AskHsm(ticket, ask) => self.ask(ticket, ask),
            // the connection's task ends when its outbox does
            Effect::Close { connection, .. } => _ = self.outboxes.remove(&connection),
            Effect::Reply(ticket, reply) => {
                if let Some(waiting) = self.operators.remove(&ticket) {
                    // the operator may have gone
                    let _ = waiting.send(reply);
                }
            }
            Effect::Journal(_) | Effect::AfterPromises => unreachable!("seen to when its event was handled"),
        }
    }

    fn send(&mut self, connection: ConnectionId, header: Bytes, body: Bytes) {
        let Some(outbox) = self.outboxes.get(&connection) else { return };
        if outbox.try_send(Framed { header, body }).is_err() {
            // it does not read what it asked for: what is lost here ends by time-out, repeat or reversal
            tracing::warn!(connection = connection.0, "outbox full: the connection is closed");
            self.outboxes.remove(&connection);
        }
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
            // the switch is gone: then nobody needs the answer
            let _ = answers.send((ticket, answer)).await;
        });
    }
}

/// What the events of one round want done.
#[derive(Default)]
struct Round {
    effects: Vec<Effect>,
    behind: Vec<Vec<Effect>>,
    records: u64,
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
