//! `summary.json`: the run in figures.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::terminal_log::Endings;

/// Microseconds from the intended moment of sending to the answer.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    pub p50: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

#[derive(Debug, Serialize)]
pub struct Summary {
    pub approved: u64,
    /// By response code.
    pub declined: BTreeMap<String, u64>,
    pub reversed: u64,
    pub stood_in: u64,
    /// Repeats of requests that had been sent before.
    pub duplicates: u64,
    /// Answers that came after their request was given up, at the terminals and at the switch.
    pub late: u64,
    pub unanswered: u64,
    pub differences: usize,
    /// By currency.
    pub settled_minor: BTreeMap<&'static str, i64>,
    pub latency_us: Latency,
    pub tps: f64,
    pub restarts: BTreeMap<&'static str, u32>,
    pub ports: Value,
    pub invariants: BTreeMap<String, bool>,
    pub steps: usize,
    pub checks: usize,
    pub checks_that_did_not_hold: usize,
}

impl Summary {
    /// The figures from the terminal log and the switch's counters.
    pub fn of(endings: &Endings, late_at_switch: u64, ports: Value) -> Self {
        Self {
            approved: endings.approved,
            declined: endings.declined.clone(),
            reversed: endings.reversed,
            stood_in: 0,
            duplicates: endings.duplicates,
            late: endings.late + late_at_switch,
            unanswered: endings.unanswered,
            differences: 0,
            settled_minor: BTreeMap::new(),
            latency_us: Latency::default(),
            tps: 0.0,
            restarts: BTreeMap::new(),
            ports,
            invariants: BTreeMap::new(),
            steps: 0,
            checks: 0,
            checks_that_did_not_hold: 0,
        }
    }
}
