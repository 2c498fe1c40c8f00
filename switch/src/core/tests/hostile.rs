//! Hostile messages that can be decoded: no panic, no approval that no authorizer gave, one ending per request.

use super::*;
use proptest::prelude::*;

/// Byte flips: where, as a share of the message, and what is added there.
fn flips() -> impl Strategy<Value = Vec<(f64, u8)>> {
    proptest::collection::vec((0.0..1.0f64, 1u8..=255), 0..4)
}

fn flipped(dialect: &Arc<Dialect>, message: &Builder, flips: &[(f64, u8)]) -> Option<Message> {
    let mut bytes = message.encode().expect("valid").to_vec();
    for (place, change) in flips {
        let place = (place * bytes.len() as f64) as usize;
        bytes[place] = bytes[place].wrapping_add(*change);
    }
    Message::decode(dialect, bytes.into()).ok()
}

fn from_outside(kind: u8, stan: u32) -> (ListenerId, Builder) {
    match kind {
        0 => (TERMINALS, terminal_request(b"0200", stan, OUR_CARD, 100)),
        1 => (TERMINALS, terminal_request(b"0100", stan, FOREIGN_CARD, 100)),
        2 => (TERMINALS, terminal_request(b"0220", stan, FOREIGN_CARD, 100)),
        3 => (TERMINALS, terminal_reversal(stan, 100)),
        4 => (ACQUIRER, acquirer_request(b"0200", stan, 100)),
        _ => (ACQUIRER, acquirer_reversal(b"0420", stan + 100, stan, 100)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn nothing_readable_breaks_the_switch(
        steps in proptest::collection::vec((0u8..6, 1u32..4, flips(), flips()), 1..24),
    ) {
        let mut world = World::new();
        let mut approved_by_host = 0;
        for (kind, stan, request_flips, answer_flips) in steps {
            let (listener, message) = from_outside(kind, stan);
            let dialect = listener_dialect(listener);
            let Some(message) = flipped(&dialect, &message, &request_flips) else { continue };
            let terminal = listener == TERMINALS;
            let connection = if terminal { TERMINAL_LINE } else { ACQUIRER_LINE };
            let header = Bytes::from_static(if terminal { b"\x60\x00\x01\x00\x02" } else { b"" });
            let arrival = Arrival { listener, connection, header, message, place: InFlightPermit::default() };
            world.event(Event::FromOriginator(Box::new(arrival)));
            for destination in [HOST, ISSUER] {
                let sent: Vec<Message> = world.sent.entry(destination).or_default().drain(..).collect();
                for request in sent {
                    let mut answer = host_answer(&request, ResponseCode::APPROVED);
                    if destination == ISSUER {
                        answer = Builder::answer_to(&request);
                        answer.copy::<de::TransmissionTime>(&request).copy::<de::Stan>(&request);
                        answer.put::<de::v93::ActionCode>(Number(0));
                    }
                    let dialect = destination_dialect(destination);
                    let Some(answer) = flipped(&dialect, &answer, &answer_flips) else { continue };
                    approved_by_host += 1;
                    let line = if destination == HOST { HOST_LINE } else { ISSUER_LINE };
                    world.event(Event::FromDestination(destination, line, Box::new(answer)));
                }
            }
        }
        world.pass(Duration::from_secs(6));
        let approvals = world.answers.iter().filter(|(_, answer)| {
            let financial = matches!(answer.mti().as_str(), "0110" | "0210");
            financial && answer.get::<de::ResponseCode>().ok().flatten().is_some_and(ResponseCode::is_approval)
        });
        // repeats of one approved request are answered alike, so there may be more answers than decisions
        prop_assert!(approvals.count() == 0 || approved_by_host > 0);
        let mut open = HashMap::new();
        for record in &world.journal {
            match record {
                Record::Sent(sent) => prop_assert!(open.insert(sent.request, false).is_none(), "sent twice"),
                Record::Ended(ended) => {
                    let before = open.insert(ended.request, true);
                    prop_assert_eq!(before, Some(false), "ended once, and after it was sent");
                }
                _ => {}
            }
        }
        prop_assert!(open.values().all(|ended| *ended), "after the time-out everything has ended");
    }
}
