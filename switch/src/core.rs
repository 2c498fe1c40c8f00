//! The switch without sockets, disks and clocks: events in, effects out. Each event goes to the part that it concerns.
//! A part owns its state; a result that concerns another part is handed on here.
//!
//! | event | goes to |
//! |---|---|
//! | a message of an originator | intake/ (checks); then exchange/ (requests, totals), advice/ or reversal/ |
//! | a reply of the HSM | intake/; then as a message of an originator |
//! | what was found of a forgotten request | recall.rs; then as a message of an originator |
//! | a message that could not be sent | exchange/ or saf/ |
//! | a message of a destination | destination/ (matching, network messages); then exchange/, saf/ or business_day.rs |
//! | too little room on the disk | exchange/ |
//! | time passed | destination/ (time-outs, sessions); exchange/ and saf/ (time-outs, due messages); business_day.rs |
//! | a restart | core/restore.rs |
//! | an operator's command | core/operator.rs |
//!
//! exchange/ calls reversal/ and advice/; those two queue messages in saf/. exchange/ and saf/ send to destination/'s
//! connections, under its STANs and match keys. exchange/, advice/ and reversal/ answer originators through intake/.

mod operator;
mod restore;

use crate::advice;
use crate::business_day::BusinessDay;
use crate::config::Config;
use crate::data_key::DataKey;
use crate::destination::{Destinations, DestinationsError, PendingMessage, Received};
use crate::event::{Effect, Event, Now};
use crate::exchange::{self, Exchange};
use crate::fingerprint::{Filter, Names};
use crate::intake::{CardHasher, Checked, Intake, IntakeError, Kind, RecentRequests, Terminals};
use crate::metrics;
use crate::numbers::Numbers;
use crate::parts::Parts;
use crate::recall::Recalls;
use crate::reversal;
use crate::saf::StoreAndForward;
use crate::turn::Turn;
use codecs::Dialect;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The time allowed from a request's deadline to its 91 on the wire: a reversal is built and synced, and hsmd makes a
/// MAC.
const TO_ANSWER: Duration = Duration::from_secs(1);
/// Time-outs of one destination that are handled in one turn: each builds a reversal, and nothing else is done meanwhile.
const TIME_OUTS_PER_TURN: usize = 64;
/// How often the age of unacknowledged messages is checked.
const EXPIRY_CHECK: Duration = Duration::from_secs(30);

/// The inputs of a core.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    /// Of the destinations, in the order of the configuration.
    pub dialects: Vec<Arc<Dialect>>,
    pub terminals: Terminals,
    pub data_key: DataKey,
    /// The identities of the requests that have a fingerprint.
    pub known: Filter,
    /// Of the random generator for life-cycle ids and jitter.
    pub seed: u64,
}

#[derive(Debug)]
pub struct Core {
    config: Config,
    parts: Parts,
    exchange: Exchange,
    recalls: Recalls,
    day: BusinessDay,
    numbers: Numbers,
    next_expiry_check: Instant,
}

#[derive(Debug, thiserror::Error)]
#[error("{key}: {reason}")]
pub struct SetupError {
    pub key: String,
    pub reason: String,
}

impl From<DestinationsError> for SetupError {
    fn from(error: DestinationsError) -> Self {
        let key = match &error {
            DestinationsError::PinKey(i, _) => format!("destination[{i}].pin_key"),
            DestinationsError::NoHost => "destination".to_owned(),
        };
        Self { key, reason: error.to_string() }
    }
}

impl From<IntakeError> for SetupError {
    fn from(error: IntakeError) -> Self {
        let key = match &error {
            IntakeError::PinKey(i, _) => format!("listener[{i}].pin_key"),
            IntakeError::NoRole(i) => format!("listener[{i}].name"),
        };
        Self { key, reason: error.to_string() }
    }
}

impl Core {
    /// # Errors
    /// A key name in the configuration is not valid, a listener has no role, or no destination is the host.
    pub fn new(setup: Setup, now: Now) -> Result<Self, SetupError> {
        let Setup { config, dialects, terminals, data_key, known, seed } = setup;
        let intake = Intake::new(&config, terminals, CardHasher::new(&data_key))?;
        let destinations = Destinations::new(&config.destinations, dialects)?;
        let names = config.destinations.iter().map(|destination| destination.name.as_str());
        let limits = crate::saf::Limits {
            first_retry: Duration::from_millis(config.owed.first_retry_ms),
            longest_retry: Duration::from_millis(config.owed.longest_retry_ms),
            expire_after: Duration::from_secs(config.owed.expire_after_s),
            not_found_for: Duration::from_secs(config.owed.not_found_retry_s),
            step_aside_after: config.owed.step_aside_after,
            window: config.owed.max_in_flight_per_destination,
            most: config.owed.max_messages_per_destination,
        };
        Ok(Self {
            parts: Parts {
                intake,
                recents: RecentRequests::new(&config.recent, Names::new(&data_key), known, names),
                destinations,
                saf: StoreAndForward::new(limits, crate::config::institution(&config.acquirer_id)),
            },
            exchange: Exchange::default(),
            recalls: Recalls::default(),
            day: BusinessDay::starting(now),
            numbers: Numbers::new(seed),
            next_expiry_check: now.mono + EXPIRY_CHECK,
            config,
        })
    }

    /// Turns one event into effects, appended in the order in which they are to be carried out.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let Self { parts, exchange, recalls, day, numbers, .. } = self;
        let turn = &mut Turn::new(now, day.stamp(), numbers, effects);
        match event {
            Event::OriginatorConnected(listener, connection) => parts.intake.connected(listener, connection, now.mono),
            Event::OriginatorGone(listener, connection) => parts.intake.gone(listener, connection),
            Event::FromOriginator(arrival) => {
                let checked = parts.intake.arrived(turn, &parts.destinations, *arrival);
                if let Some(checked) = checked.and_then(|checked| recalls.ask(turn, parts, checked)) {
                    handle_checked(turn, parts, exchange, checked);
                }
            }
            Event::DestinationConnected(destination, connection) => {
                parts.destinations.connected(turn, destination, connection);
            }
            Event::DestinationGone(destination, connection) => parts.destinations.gone(destination, connection),
            Event::NotSent(destination, key) => match parts.destinations.not_sent(destination, &key) {
                Some(PendingMessage::Request(request)) => exchange.not_sent(turn, parts, request),
                Some(PendingMessage::Saf(id)) => parts.saf.unanswered(turn, &parts.destinations, id),
                None => {}
            },
            Event::FromDestination(destination, connection, message) => {
                match parts.destinations.received(turn, destination, connection, &message) {
                    Received::Answer(request, outcome) => {
                        parts.saf.request_answered(destination, outcome.code, now.mono);
                        exchange.answered(turn, parts, request, &message, &outcome);
                    }
                    Received::LateAnswer(request, outcome) => {
                        exchange::answered_late(turn, parts, destination, request, &outcome);
                    }
                    Received::SafAnswer(id, code) => parts.saf.answered(turn, &parts.destinations, id, code),
                    Received::CutOverAnswer(date, code) => day.answered(turn, date, code),
                    Received::LinkUp => {
                        parts.saf.retry_now(destination, now.mono);
                        if parts.destinations.is_host(destination) {
                            day.retry_now(now.mono);
                        }
                    }
                    Received::Nothing => {}
                }
            }
            Event::HsmAnswered(ticket, answer) => {
                parts.intake.hsm_answered(turn, ticket, answer);
                while let Some(checked) = parts.intake.next_checked(turn) {
                    if let Some(checked) = recalls.ask(turn, parts, checked) {
                        handle_checked(turn, parts, exchange, checked);
                    }
                }
            }
            Event::Found(ticket, found) => {
                if let Some(checked) = recalls.found(turn, parts, ticket, found) {
                    handle_checked(turn, parts, exchange, checked);
                }
            }
            Event::DiskLow(low) => {
                if low {
                    metrics::alarm("disk-low", "switch");
                    tracing::error!("the disk has too little room: requests are answered 91");
                } else {
                    tracing::warn!("the disk has room again: requests are taken");
                }
                exchange.disk_is_low(low);
            }
            Event::Tick => {}
            Event::Operator(ticket, command) => operator::operate(turn, parts, day, ticket, command),
        }
        // in a turn of its own, because the event may have changed the business date
        self.run_timers(now, effects);
    }

    /// When `Event::Tick` is due, if nothing else happens before.
    pub fn next_wake(&self) -> Instant {
        let per_destination = self.parts.destinations.ids().flat_map(|id| {
            let ready = self.parts.destinations.is_up(id).then(|| self.parts.saf.next_ready(id)).flatten();
            [self.parts.destinations.next_deadline(id), ready]
        });
        per_destination
            .flatten()
            .chain(self.day.next_try())
            .chain(self.parts.intake.next_deadline())
            .min()
            .unwrap_or(self.next_expiry_check)
            .min(self.next_expiry_check)
    }

    fn run_timers(&mut self, now: Now, effects: &mut Vec<Effect>) {
        let Self { parts, exchange, day, numbers, .. } = self;
        let turn = &mut Turn::new(now, day.stamp(), numbers, effects);
        for destination in parts.destinations.ids() {
            // the others follow in the next turn, which is due at once
            for _ in 0..TIME_OUTS_PER_TURN {
                let Some(awaiting) = parts.destinations.expired(turn, destination) else { break };
                match awaiting {
                    PendingMessage::Request(request) => exchange.timed_out(turn, parts, request),
                    PendingMessage::Saf(id) => parts.saf.unanswered(turn, &parts.destinations, id),
                }
            }
            parts.destinations.run_session_timers(turn, destination);
            parts.saf.send_due(turn, &mut parts.destinations, destination);
        }
        day.announce(turn, &mut parts.destinations);
        parts.intake.close_strangers(turn);
        if now.mono >= self.next_expiry_check {
            self.next_expiry_check = now.mono + EXPIRY_CHECK;
            parts.saf.give_up_expired(turn, &parts.destinations);
            parts.saf.show_ages(&parts.destinations, now.mono);
            parts.recents.forget_fingerprints(turn);
        }
    }

    /// Begins an orderly shutdown: no new request is sent, and each that is under way ends by its answer or its
    /// deadline. Repeats, advices and reversals are taken as before. Messages of store and forward are not waited for:
    /// the pending log keeps them.
    pub fn drain(&mut self) {
        self.exchange.drain();
    }

    /// How many requests await a destination, and messages and answers await hsmd.
    pub fn under_way(&self) -> usize {
        self.exchange.under_way() + self.parts.intake.awaiting_hsm() + self.recalls.waiting()
    }

    /// How many messages of store and forward are unacknowledged.
    pub fn owed(&self) -> usize {
        self.parts.saf.len()
    }

    /// The time from [`Core::drain`] within which every request that was under way has ended.
    pub fn drained_within(&self) -> Duration {
        self.parts.destinations.longest_answer_timeout() + TO_ANSWER
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// For messages that arrive from now on.
    pub fn replace_terminals(&mut self, terminals: Terminals) {
        self.parts.intake.replace_terminals(terminals);
    }

    /// For `/readyz`: requests are taken, and the host is reachable.
    pub fn is_ready(&self) -> bool {
        self.exchange.takes_requests() && self.parts.destinations.is_up(self.parts.destinations.host())
    }
}

/// Hands a message of an originator that passed its checks to the part for its kind.
fn handle_checked(turn: &mut Turn<'_>, parts: &mut Parts, exchange: &mut Exchange, Checked { inbound, pin }: Checked) {
    let _transaction = inbound.span.clone().entered();
    match inbound.kind {
        Kind::Request(class) => exchange.request(turn, parts, inbound, class, pin),
        Kind::Reconciliation => exchange.reconciliation(turn, parts, inbound),
        Kind::Advice(class) => advice::handle(turn, parts, &inbound, class),
        Kind::Reversal => reversal::handle(turn, parts, &inbound),
        // answered in intake/
        Kind::Network => {}
    }
}

#[cfg(test)]
mod tests;
