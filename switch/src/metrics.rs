//! The metrics of the switch. Labels are link names, codes and kinds: few values, no card data.

use codecs::value::ResponseCode;
use codecs::{DecodeError, Mti};
use metrics::{counter, describe_counter, describe_gauge, gauge, histogram};
use std::time::Instant;

/// Gives every metric its help text; called once at start.
pub fn describe() {
    describe_counter!("switch_messages_total", "Messages of originators by link and MTI");
    describe_counter!("switch_answers_total", "Answers to originators by link, MTI and response code (1987)");
    describe_counter!("switch_sent_total", "Requests sent to a destination");
    describe_counter!("switch_not_sent_total", "Requests answered 91 before anything was sent, by reason");
    telemetry::describe_histogram(
        "switch_stage_seconds",
        "Time a request spent: edge (HSM), upstream (from sending to the answer)",
    );
    telemetry::describe_histogram("switch_before_send_seconds", "From a request's arrival to its sending");
    telemetry::describe_histogram("switch_total_seconds", "From a request's arrival to its answer");
    describe_gauge!("switch_in_flight", "Requests that await a destination's answer");
    describe_counter!("switch_timeouts_total", "Requests without an answer in time, by destination");
    describe_counter!("switch_late_answers_total", "Answers after their time-out, by destination; none is forwarded");
    describe_counter!("switch_unmatched_total", "Messages nobody awaited, by link");
    describe_counter!("switch_repeats_total", "Repeats of known requests, by what became of them");
    describe_counter!("switch_reversals_owed_total", "Reversals that became owed");
    describe_counter!("switch_originator_reversals_total", "Reversals of originators that were acknowledged");
    describe_counter!("switch_unknown_originals_total", "Reversals of originals that are not remembered");
    describe_counter!(
        "switch_recalls_total",
        "Messages whose original was looked for among the fingerprints on the disk, by outcome"
    );
    describe_gauge!("switch_fingerprint_bytes", "Size of the fingerprints' files");
    describe_counter!(
        "switch_fingerprints_forgotten_total",
        "Fingerprints of requests that were forgotten before their time"
    );
    describe_counter!("switch_answers_after_reversal_total", "Answers to requests their originator had reversed");
    describe_gauge!("switch_owed", "Messages owed to a destination and not acknowledged");
    describe_gauge!("switch_owed_oldest_seconds", "Age of the oldest message owed to a destination");
    describe_gauge!("switch_dead_letters", "Messages that a destination did not take, for an operator to deal with");
    describe_counter!("switch_offers_total", "Owed messages offered, first time or repeat, by destination");
    describe_counter!("switch_acknowledged_total", "Owed messages acknowledged, by destination");
    describe_counter!("switch_not_acknowledged_total", "Advices left with their sender because they cannot be trusted");
    describe_counter!(
        "switch_not_signed_on_total",
        "Messages of connections that had not signed on, by link; not answered"
    );
    describe_counter!("switch_undeliverable_total", "Answers whose connection was gone, by link: approvals and others");
    describe_counter!(
        "switch_malformed_total",
        "Messages with an element that is missing or wrong, by link and element"
    );
    describe_counter!("switch_alarms_total", "Events a person should look at, by kind and link");
    describe_counter!("switch_hsm_failures_total", "HSM verbs without a verdict");
    describe_gauge!("switch_disk_free_bytes", "Room on the disk of the state folder");
    describe_counter!("switch_cut_overs_total", "Cut-overs acknowledged by the host");
    describe_gauge!("switch_link_up", "1 while a destination takes traffic");
    describe_counter!("switch_journal_records_total", "Records written to the pending log");
    telemetry::describe_histogram("switch_sync_seconds", "From asking for a promise to be durable until it is");
}

pub(crate) fn arrived(link: &str, mti: Mti) {
    counter!("switch_messages_total", "link" => link.to_owned(), "mti" => mti_label(mti)).increment(1);
}

pub(crate) fn answered(link: &str, mti: Mti, code: ResponseCode) {
    let code = code.to_string();
    counter!("switch_answers_total", "link" => link.to_owned(), "mti" => mti_label(mti), "code" => code).increment(1);
}

/// Message types that the metrics tell apart. A peer may invent any others, and each would be a series of its own.
const MESSAGE_TYPES: [&str; 34] = [
    "0100", "0101", "0110", "0120", "0121", "0130", "0200", "0201", "0210", "0220", "0221", "0230", "0302", "0312",
    "0400", "0401", "0410", "0420", "0421", "0430", "0500", "0501", "0510", "0520", "0521", "0530", "0600", "0610",
    "0620", "0630", "0800", "0810", "0820", "0830",
];

fn mti_label(mti: Mti) -> &'static str {
    MESSAGE_TYPES.into_iter().find(|known| *known == mti.as_str()).unwrap_or("other")
}

pub(crate) fn sent(destination: &str, received: Instant, now: Instant) {
    counter!("switch_sent_total", "destination" => destination.to_owned()).increment(1);
    histogram!("switch_before_send_seconds").record(now.saturating_duration_since(received));
}

pub(crate) fn not_sent(why: &'static str, destination: &str) {
    counter!("switch_not_sent_total", "reason" => why, "destination" => destination.to_owned()).increment(1);
}

pub(crate) fn stage(stage: &'static str, since: Instant, now: Instant) {
    histogram!("switch_stage_seconds", "stage" => stage).record(now.saturating_duration_since(since));
}

pub(crate) fn total(received: Instant, now: Instant) {
    histogram!("switch_total_seconds").record(now.saturating_duration_since(received));
}

pub(crate) fn in_flight(count: usize) {
    gauge!("switch_in_flight").set(count as f64);
}

pub(crate) fn timed_out(destination: &str) {
    counter!("switch_timeouts_total", "destination" => destination.to_owned()).increment(1);
}

pub(crate) fn late(destination: &str) {
    counter!("switch_late_answers_total", "destination" => destination.to_owned()).increment(1);
}

pub(crate) fn unmatched(link: &str) {
    counter!("switch_unmatched_total", "link" => link.to_owned()).increment(1);
}

pub(crate) fn repeat(outcome: &'static str) {
    counter!("switch_repeats_total", "outcome" => outcome).increment(1);
}

pub(crate) fn reversal_owed() {
    counter!("switch_reversals_owed_total").increment(1);
}

pub(crate) fn originator_reversal() {
    counter!("switch_originator_reversals_total").increment(1);
}

pub(crate) fn recalled(outcome: &'static str) {
    counter!("switch_recalls_total", "outcome" => outcome).increment(1);
}

pub(crate) fn disk_free(bytes: u64) {
    gauge!("switch_disk_free_bytes").set(bytes as f64);
}

pub(crate) fn fingerprint_bytes(bytes: u64) {
    gauge!("switch_fingerprint_bytes").set(bytes as f64);
}

/// So many requests cannot be recognized any more, before their time.
pub(crate) fn fingerprints_forgotten(count: usize) {
    if count > 0 {
        counter!("switch_fingerprints_forgotten_total").increment(count as u64);
        alarm("fingerprints-forgotten", "switch");
    }
}

pub(crate) fn unknown_original() {
    counter!("switch_unknown_originals_total").increment(1);
}

pub(crate) fn answered_after_reversal() {
    counter!("switch_answers_after_reversal_total").increment(1);
}

pub(crate) fn owed_depth(destination: &str, depth: usize) {
    gauge!("switch_owed", "destination" => destination.to_owned()).set(depth as f64);
}

/// Age of the oldest unacknowledged message; zero if there is none.
pub(crate) fn owed_age(destination: &str, seconds: f64) {
    gauge!("switch_owed_oldest_seconds", "destination" => destination.to_owned()).set(seconds);
}

pub(crate) fn dead_letters(destination: &str, count: usize) {
    gauge!("switch_dead_letters", "destination" => destination.to_owned()).set(count as f64);
}

pub(crate) fn offered(destination: &str, repeat: bool) {
    let kind = if repeat { "repeat" } else { "first" };
    counter!("switch_offers_total", "destination" => destination.to_owned(), "kind" => kind).increment(1);
}

pub(crate) fn acknowledged(destination: &str) {
    counter!("switch_acknowledged_total", "destination" => destination.to_owned()).increment(1);
}

pub(crate) fn not_acknowledged() {
    counter!("switch_not_acknowledged_total").increment(1);
}

pub(crate) fn undeliverable(link: &str, approval: bool) {
    let answer = if approval { "approval" } else { "other" };
    counter!("switch_undeliverable_total", "link" => link.to_owned(), "answer" => answer).increment(1);
}

pub(crate) fn malformed(link: &str, error: &DecodeError) {
    counter!("switch_malformed_total", "link" => link.to_owned(), "element" => error.path()).increment(1);
}

pub(crate) fn not_signed_on(link: &str) {
    counter!("switch_not_signed_on_total", "link" => link.to_owned()).increment(1);
}

pub(crate) fn alarm(kind: &'static str, link: &str) {
    counter!("switch_alarms_total", "kind" => kind, "link" => link.to_owned()).increment(1);
}

pub(crate) fn hsm_failed(verb: &'static str) {
    counter!("switch_hsm_failures_total", "verb" => verb).increment(1);
}

pub(crate) fn cut_over() {
    counter!("switch_cut_overs_total").increment(1);
}

pub(crate) fn link_up(destination: &str, up: bool) {
    gauge!("switch_link_up", "destination" => destination.to_owned()).set(f64::from(u8::from(up)));
}

pub(crate) fn journaled(records: u64) {
    counter!("switch_journal_records_total").increment(records);
}

pub(crate) fn synced(waited: std::time::Duration) {
    histogram!("switch_sync_seconds").record(waited);
}
