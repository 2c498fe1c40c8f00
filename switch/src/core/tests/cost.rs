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

fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this measures time")]
    Instant::now()
}
