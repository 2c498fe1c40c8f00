//! Help texts of the host's metrics.

use metrics::{describe_counter, describe_gauge};
use telemetry::describe_histogram;

/// Gives every metric its help text.
pub fn describe() {
    describe_counter!("host_requests_total", "Messages answered, by message type and response code");
    describe_counter!("host_bad_messages_total", "Messages that could not be read, by kind of fault");
    describe_counter!(
        "host_batches_failed_total",
        "Batches that got no commit: unavailable (the machine's fault, or retried in vain), or refused (one request's fault)"
    );
    describe_counter!("host_batch_retries_total", "Batches that were tried again after a lost connection or busy rows");
    describe_counter!(
        "host_requests_too_late_total",
        "Requests that were not decided because the switch had stopped waiting"
    );
    describe_counter!(
        "host_merchants_refused_total",
        "Times that a merchant's requests with a printed code began to be refused because too many were wrong, by link"
    );
    describe_counter!(
        "host_guesses_uncounted_total",
        "Wrong printed codes that were not counted with their merchant because too many merchants had some"
    );
    describe_gauge!("host_connections", "Connections from the switch");
    describe_gauge!("host_in_flight", "Messages under way");
    describe_gauge!("host_lane_waiting", "Requests that wait for a lane, by lane");
    describe_gauge!("host_lane_batch_age_seconds", "For how long a lane's batch is under way, by lane");
    describe_gauge!("host_lane_connected", "Lanes that have had a database connection");
    describe_histogram("host_batch_size", "Requests in a batch");
    describe_histogram("host_cards_read_size", "Cards that were in no cache, by query");
    describe_histogram(
        "host_stage_seconds",
        "Time spent by stage: facts (index and cold row), hsm (the compound verb), lane (waiting for a batch), commit (both flights and the fold), whole",
    );
}
