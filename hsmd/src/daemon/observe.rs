//! The daemon's metrics. Labels are verbs, roles and outcomes: nothing of a request's content.
use std::collections::HashMap;
use std::time::Duration;

use hsm::verb::{Answer, VerbKind};
use hsm::{HsmError, ModuleState};
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::config::Role;

/// Gives every metric its help text; once, at start.
pub(crate) fn describe() {
    describe_counter!("hsm_operations_total", "Verbs answered, by verb and result (ok, or the kind of error)");
    describe_histogram!("hsm_operation_seconds", Unit::Seconds, "Time a verb took inside the module, by verb");
    describe_histogram!("hsm_wait_seconds", Unit::Seconds, "Time a job waited in the queue before the module took it");
    describe_counter!("hsm_expired_total", "Jobs dropped because their caller no longer waited");
    describe_counter!(
        "hsm_denied_total",
        "Requests for a verb that the socket's role does not offer, by role and verb"
    );
    describe_counter!("hsm_strangers_total", "Connections refused for their user, by role");
    describe_counter!(
        "hsm_malformed_total",
        "Connections closed or requests refused for bytes that do not follow the protocol, by role"
    );
    describe_gauge!("hsm_connections", "Open connections, by role");
    describe_gauge!(
        "hsm_queue_depth",
        "Jobs waiting, by queue (urgent: authorizations; patient: clearing and issuing)"
    );
    describe_gauge!(
        "hsm_objects_since_init",
        "Objects created since the module was initialized; it is recycled at a limit"
    );
    describe_gauge!("hsm_module_state", "1 for the state the module is in (up, degraded, down), 0 for the others");
    describe_counter!("hsm_initialisations_total", "Times the module was opened, by reason");
    describe_histogram!(
        "hsm_initialisation_seconds",
        Unit::Seconds,
        "Time that opening the module took, key copies included"
    );
}

/// The metrics of verbs that the module's thread carries out. Their handles are looked up once: looking three of them up by
/// name and labels costs as much as a small verb.
pub(crate) struct ServedMetrics {
    wait: Histogram,
    verbs: HashMap<VerbKind, VerbMetrics>,
}

struct VerbMetrics {
    took: Histogram,
    ok: Counter,
}

impl ServedMetrics {
    pub(crate) fn new() -> Self {
        Self { wait: histogram!("hsm_wait_seconds"), verbs: HashMap::new() }
    }

    pub(crate) fn count(
        &mut self,
        kind: VerbKind,
        result: &Result<Answer, HsmError>,
        waited: Duration,
        took: Duration,
    ) {
        let verb = self.verbs.entry(kind).or_insert_with(|| VerbMetrics {
            took: histogram!("hsm_operation_seconds", "verb" => kind.label()),
            ok: counter!("hsm_operations_total", "verb" => kind.label(), "result" => "ok"),
        });
        match result {
            Ok(_) => verb.ok.increment(1),
            Err(error) => refused(kind, error),
        }
        verb.took.record(took);
        self.wait.record(waited);
    }
}

/// An answer without a verdict.
pub(crate) fn refused(kind: VerbKind, error: &HsmError) {
    let result = match error {
        HsmError::KeyMissing(_) => "key-missing",
        HsmError::Busy => "busy",
        HsmError::Unavailable(_) => "unavailable",
        HsmError::Denied(_) => "denied",
        HsmError::BadInput(_) => "bad-input",
    };
    counter!("hsm_operations_total", "verb" => kind.label(), "result" => result).increment(1);
}

pub(crate) fn expired() {
    counter!("hsm_expired_total").increment(1);
}

pub(crate) fn denied(role: Role, kind: VerbKind) {
    counter!("hsm_denied_total", "role" => role.label(), "verb" => kind.label()).increment(1);
}

pub(crate) fn stranger(role: Role) {
    counter!("hsm_strangers_total", "role" => role.label()).increment(1);
}

pub(crate) fn malformed(role: Role) {
    counter!("hsm_malformed_total", "role" => role.label()).increment(1);
}

pub(crate) fn connected(role: Role, change: f64) {
    gauge!("hsm_connections", "role" => role.label()).increment(change);
}

pub(crate) fn opened(why: &'static str, took: Duration) {
    counter!("hsm_initialisations_total", "why" => why).increment(1);
    histogram!("hsm_initialisation_seconds").record(took);
}

pub(crate) fn module(state: ModuleState, objects: u64, (urgent, patient): (usize, usize)) {
    for (label, each) in [("up", ModuleState::Up), ("degraded", ModuleState::Degraded), ("down", ModuleState::Down)] {
        gauge!("hsm_module_state", "state" => label).set(if each == state { 1.0 } else { 0.0 });
    }
    gauge!("hsm_objects_since_init").set(objects as f64);
    gauge!("hsm_queue_depth", "queue" => "urgent").set(urgent as f64);
    gauge!("hsm_queue_depth", "queue" => "patient").set(patient as f64);
}
