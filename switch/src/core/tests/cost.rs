//! The time that a transaction takes in the core and in the pending log, without sockets and HSM:
//! `cargo test --release -p switch --lib cost -- --ignored --nocapture`
#![expect(clippy::print_stderr, reason = "a measurement")]

use super::*;
use crate::shell::store::PendingLog;
use crate::shell::store::log::Limits;

const TRANSACTIONS: u32 = 100_000;

#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_a_purchase_in_the_core_and_its_log() {
    let mut world = World::new();
    let folder = std::env::temp_dir().join(format!("switch-cost-{}", std::process::id()));
    let limits = Limits { segment_bytes: 16 << 20, keep_segments: 3, reserve_bytes: 0 };
    let (mut log, _) = PendingLog::open(&folder, DataKey::new([1; 32]), limits).expect("a new log");
    let requests: Vec<Message> = (1..=TRANSACTIONS)
        .map(|stan| {
            let bytes = acquirer_request(b"0200", stan, 100).encode().expect("valid");
            Message::decode(&dialect("iso87-ascii"), bytes).expect("valid")
        })
        .collect();
    let (mut core_time, mut log_time) = (Duration::ZERO, Duration::ZERO);
    let mut effects = Vec::new();
    let mut handle = |world: &mut World, event: Event| {
        let before = clock();
        world.core.handle(world.now, event, &mut effects);
        core_time += before.elapsed();
        let before = clock();
        let mut sent = None;
        for effect in effects.drain(..) {
            match effect {
                Effect::Journal(record) => log.append(&record),
                Effect::Send { body, .. } => sent = Some(body),
                _ => {}
            }
        }
        log.write().expect("room on the disk");
        log_time += before.elapsed();
        sent
    };
    for message in requests {
        let (header, place) = (Bytes::new(), InFlightPermit::default());
        let arrival = Arrival { listener: ACQUIRER, connection: ACQUIRER_LINE, header, message, place };
        let up = handle(&mut world, Event::FromOriginator(Box::new(arrival))).expect("sent");
        let up = Message::decode(&dialect("switchyard-host"), up).expect("valid");
        let answer = host_answer(&up, ResponseCode::APPROVED).encode().expect("valid");
        let answer = Message::decode(&dialect("switchyard-host"), answer).expect("valid");
        handle(&mut world, Event::FromDestination(HOST, HOST_LINE, Box::new(answer)));
    }
    drop(log);
    let before = clock();
    let (_, records) = PendingLog::open(&folder, DataKey::new([1; 32]), limits).expect("the log");
    let (read, count) = (before.elapsed(), records.len());
    let _ = std::fs::remove_dir_all(&folder);
    let each = |time: Duration| time.as_nanos() as f64 / 1_000.0 / f64::from(TRANSACTIONS);
    eprintln!("core {:.1} µs, log {:.1} µs a transaction", each(core_time), each(log_time));
    eprintln!("{count} records read in {} ms", read.as_millis());
}

/// How long the core waits for the pending log, with as many messages unacknowledged as a long outage leaves.
#[test]
#[ignore = "a measurement, not a check"]
fn cost_of_a_write_with_much_owed() {
    const OWED: u64 = 110_000;
    let folder = std::env::temp_dir().join(format!("switch-owed-{}", std::process::id()));
    let limits = Limits { segment_bytes: 16 << 20, keep_segments: 3, reserve_bytes: 0 };
    let (mut log, _) = PendingLog::open(&folder, DataKey::new([1; 32]), limits).expect("a new log");
    for owed in 0..OWED {
        let (destination, key) = ("host".to_owned(), "k".to_owned());
        let record = crate::record::Owed { owed, destination, card: [2; 16], since_ms: 1, key, message: vec![9; 300] };
        log.append(&Record::Owed(record));
        log.write().expect("room on the disk");
    }
    let mut waits = Vec::new();
    for request in 0..200_000 {
        let sent = crate::record::Sent {
            request,
            key: format!("terminals|T0000001|M|{request:06}|101112|1120"),
            class: 2,
            content: [1; 16],
            card: [2; 16],
            destination: "host".to_owned(),
            sent_at_ms: 1,
            acquired: false,
            message: vec![8; 300],
        };
        log.append(&Record::Sent(sent));
        log.append(&Record::Ended(crate::record::Ended::without_answer(request, crate::record::Ending::Declined)));
        let before = clock();
        log.write().expect("room on the disk");
        waits.push(before.elapsed());
    }
    drop(log);
    let _ = std::fs::remove_dir_all(&folder);
    waits.sort_unstable();
    let at = |percent: f64| waits[((waits.len() - 1) as f64 * percent / 100.0) as usize];
    let (median, p999, longest) = (at(50.0), at(99.9), at(100.0));
    eprintln!("a write with {OWED} messages owed: median {median:?}, 99.9 % {p999:?}, longest {longest:?}");
}

fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    Instant::now()
}
