//! Advices with the key of a request: what they report has happened, whatever became of the request.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

/// A terminal's advice with the key of its request.
fn advice(mti: &[u8; 4], card: &str, minor: i64) -> Builder {
    let mut advice = terminal_request(mti, 7, card, minor);
    advice.remove::<de::PinBlock>();
    advice
}

/// How the request ended before the advice comes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Request {
    UnderWay,
    Approved,
    Declined,
    TimedOut,
}

fn requested(card: &str, request: Request) -> World {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 7, card, 900));
    let destination = if card == OUR_CARD { HOST } else { ISSUER };
    let sent = world.next_sent(destination);
    match (request, destination) {
        (Request::UnderWay, _) => return world,
        (Request::TimedOut, _) => world.pass(TIMEOUT),
        (Request::Approved, HOST) => world.host_answers(&sent, ResponseCode::APPROVED),
        (Request::Declined, HOST) => world.host_answers(&sent, ResponseCode::INSUFFICIENT_FUNDS),
        (Request::Approved, _) => world.issuer_answers(&sent, 0),
        (Request::Declined, _) => world.issuer_answers(&sent, 116),
    }
    world.next_answer();
    world
}

/// The messages of a class that a destination was sent.
fn advices_to(world: &mut World, destination: DestinationId) -> Vec<Message> {
    // those of one card go one after the other
    let mut found = Vec::new();
    for _ in 0..8 {
        let sent: Vec<Message> = world.sent.entry(destination).or_default().drain(..).collect();
        for message in sent {
            match message.mti().as_str() {
                "0800" | "1804" => {
                    world.answer_network(destination, ConnectionId(30 + 10 * destination.0 as u64), &message)
                }
                "0200" | "1200" => {}
                _ if destination == HOST => {
                    world.answer_from(HOST, HOST_LINE, host_answer(&message, ResponseCode::APPROVED));
                    found.push(message);
                }
                _ => {
                    world.issuer_answers(&message, if message.mti().as_str() == "1420" { 400 } else { 0 });
                    found.push(message);
                }
            }
        }
        world.pass(Duration::from_millis(500));
    }
    found.retain(|message| message.mti().is_advice() && message.mti().class() == codecs::mti::Class::Financial);
    found
}

#[test]
fn it_reaches_the_host_unless_the_host_knows_it_already() {
    for (request, told) in
        [(Request::UnderWay, true), (Request::Approved, false), (Request::Declined, true), (Request::TimedOut, true)]
    {
        let mut world = requested(OUR_CARD, request);
        world.terminal_sends(advice(b"0220", OUR_CARD, 900));
        let answer = world.next_answer();
        assert_eq!((answer.mti().as_str(), code(&answer)), ("0230", ResponseCode::APPROVED), "{request:?}");
        let advices = advices_to(&mut world, HOST);
        assert_eq!(advices.len(), usize::from(told), "{request:?}");
        world.terminal_sends(advice(b"0221", OUR_CARD, 900));
        let answer = world.answers.pop_back().expect("an answer").1;
        assert_eq!((answer.mti().as_str(), code(&answer)), ("0230", ResponseCode::APPROVED), "{request:?}");
        assert!(advices_to(&mut world, HOST).is_empty(), "{request:?}: its repeat tells nothing new");
    }
}

#[test]
fn a_foreign_issuer_is_told_once_too() {
    for (request, told) in
        [(Request::UnderWay, 0), (Request::Approved, 0), (Request::Declined, 1), (Request::TimedOut, 1)]
    {
        let mut world = requested(FOREIGN_CARD, request);
        // the host's advice of an approved sale is the switch's own
        advices_to(&mut world, HOST);
        world.answers.clear();
        world.terminal_sends(advice(b"0220", FOREIGN_CARD, 900));
        assert_eq!(world.answers.len(), usize::from(request != Request::UnderWay), "{request:?}");
        let at_issuer = advices_to(&mut world, ISSUER).len();
        assert_eq!((at_issuer, advices_to(&mut world, HOST).len()), (told, told), "{request:?}");
    }
}

#[test]
fn with_other_content_it_is_for_the_host_alone() {
    for card in [OUR_CARD, FOREIGN_CARD] {
        let mut world = requested(card, Request::Declined);
        world.terminal_sends(advice(b"0220", card, 901));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        assert_eq!((advices_to(&mut world, ISSUER).len(), advices_to(&mut world, HOST).len()), (0, 1), "{card}");
    }
}

/// The request was declined, the terminal sold all the same, and takes that back.
#[test]
fn a_reversal_after_it_means_the_advice() {
    let mut world = requested(OUR_CARD, Request::Declined);
    world.terminal_sends(advice(b"0220", OUR_CARD, 900));
    world.next_answer();
    let told = world.next_business(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&told, ResponseCode::APPROVED));
    world.terminal_sends(terminal_reversal(7, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_business(HOST);
    let original = reversal.require::<de::OriginalData>().expect("DE90");
    assert_eq!((original.mti.as_str(), Ok(original.stan)), ("0220", told.require::<de::Stan>()));
}

#[test]
fn it_is_known_after_a_restart() {
    let mut world = requested(OUR_CARD, Request::Declined);
    world.terminal_sends(advice(b"0220", OUR_CARD, 900));
    advices_to(&mut world, HOST);
    let mut world = world.restart();
    world.terminal_sends(advice(b"0221", OUR_CARD, 900));
    assert_eq!(world.next_answer().mti().as_str(), "0230");
    world.terminal_sends(terminal_request(b"0201", 7, OUR_CARD, 900));
    assert_eq!(world.answer_code(), ResponseCode::INSUFFICIENT_FUNDS, "and so is the request");
    assert!(advices_to(&mut world, HOST).is_empty());
}

/// A sale decided offline, whose reversal the network brought first. The reversal may have a local time of its own.
#[test]
fn an_advice_that_was_reversed_before_it_came_is_acknowledged_and_moves_nothing() {
    for own_time in [false, true] {
        let mut world = World::new();
        let mut reversal = acquirer_reversal(b"0420", 8, 7, 700);
        reversal.put::<de::OriginalData>(OriginalData {
            mti: Mti::of(b"0220"),
            stan: Stan(7),
            transmitted: Some(crate::now::transmission_time(START_MS)),
            acquirer: None,
            forwarder: None,
        });
        if own_time {
            reversal.put::<de::LocalTime>(time(12, 0, 0));
        }
        world.acquirer_sends(reversal);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        assert_eq!(world.next_business(HOST).mti().as_str(), "0420", "the host keeps a tombstone");
        world.sent.clear();
        for mti in [b"0220", b"0221"] {
            world.acquirer_sends(acquirer_request(mti, 7, 700));
            assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        }
        assert!(world.nothing_sent(HOST), "own time {own_time}");
        world.acquirer_sends(acquirer_request(b"0220", 9, 700));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED, "another one");
        assert_eq!(world.owed_count(), 2);
    }
}
