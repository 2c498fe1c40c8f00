//! The switch without sockets, disks and clocks: events in, effects out. This file turns each event into a call; every
//! question has a file of its own. What it holds is made of types that know nothing of it: inbound.rs, under_way.rs,
//! business_day.rs, duplicates.rs, saf.rs.
//!
//! | event | file |
//! |---|---|
//! | a message of an originator | arrival.rs → edge.rs → request.rs, completion.rs, undo.rs, network.rs |
//! | an answer of a destination | response.rs → request.rs, owed.rs, network.rs |
//! | nothing for too long | response.rs → request.rs (time-out), owed.rs (repeat), network.rs (echo) |
//! | a restart | restore.rs |
//! | an operator | operator.rs, cut_over.rs |
//! | the end of the run | drain.rs |

use crate::business_day::BusinessDay;
use crate::config::Config;
use crate::destination::{Destinations, DestinationsError};
use crate::event::{Effect, Event, Now, RequestId};
use crate::intake::{Checked, Hasher, Intake, IntakeError, Kind, RecentRequests, Terminals};
use crate::numbers::Numbers;
use crate::parts::Parts;
use crate::reversal;
use crate::saf::StoreAndForward;
use crate::store::DataKey;
use crate::turn::Turn;
use crate::under_way::UnderWay;
use codecs::Dialect;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often the age of what is owed is looked at.
const EXPIRY_CHECK: Duration = Duration::from_secs(30);

/// What the core is made from.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    /// Of the destinations, in the order of the configuration.
    pub dialects: Vec<Arc<Dialect>>,
    pub terminals: Terminals,
    pub data_key: DataKey,
    /// Of the generator behind life-cycle ids and jitter.
    pub seed: u64,
}

#[derive(Debug)]
pub struct Core {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) requests: HashMap<RequestId, UnderWay>,
    pub(crate) day: BusinessDay,
    pub(crate) numbers: Numbers,
    pub(crate) next_expiry_check: Instant,
    /// The switch is about to end.
    pub(crate) draining: bool,
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
    /// A key name in the configuration is none, or a listener has no role.
    pub fn new(setup: Setup, now: Now) -> Result<Self, SetupError> {
        let Setup { config, dialects, terminals, data_key, seed } = setup;
        let intake = Intake::new(&config, terminals, Hasher::new(&data_key))?;
        let destinations = Destinations::new(&config.destinations, dialects)?;
        let limits = crate::saf::Limits {
            first_retry: Duration::from_millis(config.owed.first_retry_ms),
            longest_retry: Duration::from_millis(config.owed.longest_retry_ms),
            expire_after_ms: i64::try_from(config.owed.expire_after_s).unwrap_or(i64::MAX / 1000).saturating_mul(1000),
            window: config.owed.max_in_flight_per_destination,
        };
        Ok(Self {
            parts: Parts {
                intake,
                recents: RecentRequests::new(config.recent.max_entries, config.recent.keep_s),
                destinations,
                saf: StoreAndForward::new(limits, crate::config::institution(&config.acquirer_id)),
            },
            requests: HashMap::new(),
            day: BusinessDay::starting(now),
            numbers: Numbers::new(seed),
            next_expiry_check: now.mono + EXPIRY_CHECK,
            draining: false,
            config,
        })
    }

    /// Turns one event into effects, appended in the order in which they are to be done.
    pub fn handle(&mut self, now: Now, event: Event, effects: &mut Vec<Effect>) {
        let mut numbers = std::mem::replace(&mut self.numbers, Numbers::new(0));
        let turn = &mut Turn::new(now, self.day.stamp(), &mut numbers, effects);
        match event {
            Event::OriginatorConnected(listener, connection) => {
                self.parts.intake.connected(listener, connection);
            }
            Event::OriginatorGone(listener, connection) => {
                self.parts.intake.gone(listener, connection);
            }
            Event::FromOriginator(arrival) => {
                if let Some(checked) = self.parts.intake.arrived(turn, &self.parts.destinations, *arrival) {
                    self.take(turn, checked);
                }
            }
            Event::DestinationConnected(destination, connection) => {
                self.parts.destinations.connected(turn, destination, connection);
            }
            Event::DestinationGone(destination, connection) => self.parts.destinations.gone(destination, connection),
            Event::FromDestination(destination, connection, message) => {
                self.destination_sent(turn, destination, connection, &message);
            }
            Event::HsmAnswered(ticket, answer) => {
                if let Some(checked) = self.parts.intake.hsm_answered(turn, ticket, answer) {
                    self.take(turn, checked);
                }
            }
            Event::Tick => {}
            Event::Operator(ticket, command) => self.operate(turn, ticket, command),
        }
        let turn = &mut Turn::new(now, self.day.stamp(), &mut numbers, effects);
        self.see_to_timers(turn);
        self.numbers = numbers;
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
            .min()
            .unwrap_or(self.next_expiry_check)
            .min(self.next_expiry_check)
    }

    fn see_to_timers(&mut self, turn: &mut Turn<'_>) {
        for destination in self.parts.destinations.ids() {
            self.expire(turn, destination);
            self.parts.destinations.see_to_sessions(turn, destination);
            self.parts.saf.offer(turn, &mut self.parts.destinations, destination);
        }
        self.announce_date(turn);
        if turn.now.mono >= self.next_expiry_check {
            self.next_expiry_check = turn.now.mono + EXPIRY_CHECK;
            self.parts.saf.give_up_expired(turn, &self.parts.destinations);
        }
    }

    /// A message of an originator that came through its checks.
    fn take(&mut self, turn: &mut Turn<'_>, Checked { inbound, pin }: Checked) {
        let _transaction = inbound.span.clone().entered();
        match inbound.kind {
            Kind::Request(class) => self.request(turn, inbound, class, pin),
            Kind::Reconciliation => self.reconciliation(turn, inbound),
            Kind::Advice(class) => self.completion(turn, inbound, class),
            Kind::Reversal => reversal::take(turn, &mut self.parts, &inbound),
            // answered where it arrived
            Kind::Network => {}
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Requests that arrive from now on meet these.
    pub fn replace_terminals(&mut self, terminals: Terminals) {
        self.parts.intake.replace_terminals(terminals);
    }

    /// For `/readyz`: requests are taken, and the host is reachable.
    pub fn is_ready(&self) -> bool {
        !self.draining && self.parts.destinations.is_up(self.parts.destinations.host())
    }
}

#[cfg(test)]
mod tests;
