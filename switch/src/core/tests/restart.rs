use super::*;

#[test]
fn what_was_sent_and_not_answered_is_reversed_after_a_restart() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let up = world.next_sent(HOST);
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 200));
    let answered = world.next_sent(HOST);
    world.host_answers(&answered, ResponseCode::APPROVED);
    let mut world = world.restart();
    assert_eq!(world.owed_count(), 1);
    let reversal = world.next_sent(HOST);
    assert_eq!(reversal.mti().as_str(), "0420");
    assert_eq!(text::<de::OriginatorKey>(&reversal), named(&up));
    let original = reversal.require::<de::OriginalData>().expect("DE90");
    assert_eq!(Ok(original.stan), up.require::<de::Stan>());
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    world.terminal_sends(terminal_request(b"0201", 2, OUR_CARD, 200));
    let again = world.next_answer();
    assert_eq!((code(&again), text::<de::ApprovalCode>(&again)), (ResponseCode::APPROVED, "A1B2C3".into()));
    world.terminal_sends(terminal_request(b"0201", 2, OUR_CARD, 201));
    assert_eq!(world.answer_code(), ResponseCode::DUPLICATE);
}

#[test]
fn what_is_owed_is_owed_after_a_restart_and_goes_out_as_a_repeat() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(Duration::from_secs(5));
    let first = world.next_sent(HOST);
    let mut world = world.restart();
    let repeat = world.next_sent(HOST);
    assert_eq!((first.mti().as_str(), repeat.mti().as_str()), ("0420", "0421"));
    assert_eq!(text::<de::Stan>(&first), text::<de::Stan>(&repeat));
    world.answer_from(HOST, HOST_LINE, host_answer(&repeat, ResponseCode::APPROVED));
    let mut world = world.restart();
    assert_eq!(world.owed_count(), 0, "acknowledged is acknowledged");
}

#[test]
fn an_acquired_sale_is_owed_to_the_host_over_a_restart() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, FOREIGN_CARD, 100));
    let request = world.next_sent(ISSUER);
    world.issuer_answers(&request, 0);
    let first = world.next_sent(HOST);
    let mut world = world.restart();
    let again = world.next_sent(HOST);
    assert_eq!((first.mti().as_str(), again.mti().as_str()), ("0220", "0221"));
    assert_eq!(text::<de::LifeCycleId>(&first), text::<de::LifeCycleId>(&again));
    world.terminal_sends(terminal_reversal(1, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.next_sent(ISSUER).mti().as_str(), "1420", "the record knows where it went");
}

#[test]
fn what_was_reversed_stays_reversed() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.terminal_sends(terminal_reversal(1, 100));
    let mut world = world.restart();
    world.answers.clear();
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    world.terminal_sends(terminal_reversal(1, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 1);
}

#[test]
fn a_completion_finds_its_authorization_after_a_restart() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0100", 1, OUR_CARD, 100));
    let request = world.next_sent(HOST);
    world.host_answers(&request, ResponseCode::APPROVED);
    let answer = world.next_answer();
    let mut world = world.restart();
    let mut completion = terminal_request(b"0220", 2, OUR_CARD, 90);
    completion.copy::<de::Rrn>(&answer).remove::<de::PinBlock>();
    world.terminal_sends(completion);
    let advice = world.next_sent(HOST);
    assert_eq!(text::<de::ReferredKey>(&advice), named(&request));
    assert_eq!(text::<de::LifeCycleId>(&advice), "SWYHOST00000001");
}

#[test]
fn stans_go_on_where_they_were_and_open_ones_are_not_given_again() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let last = world.next_sent(HOST).require::<de::Stan>().expect("a STAN");
    let mut world = world.restart();
    world.sent.clear();
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 100));
    let next = world.next_sent(HOST).require::<de::Stan>().expect("a STAN");
    assert!(next.0 > last.0, "{next} after {last}");
}

#[test]
fn no_record_holds_track_pin_or_security_code() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.terminal_sends(terminal_request(b"0200", 2, FOREIGN_CARD, 100));
    world.acquirer_sends(acquirer_request(b"0200", 3, 100));
    let issuer = world.next_sent(ISSUER);
    world.issuer_answers(&issuer, 0);
    for _ in 0..2 {
        let up = world.next_sent(HOST);
        if up.mti().as_str() == "0200" {
            world.host_answers(&up, ResponseCode::APPROVED);
        }
    }
    world.pass(Duration::from_secs(5));
    world.terminal_sends(terminal_request(b"0220", 4, OUR_CARD, 100));
    world.acquirer_sends(acquirer_reversal(b"0420", 5, 3, 100));
    assert!(world.journal.len() > 8);
    let canaries: [&[u8]; 5] = [b"=3012", b"D3012", &[0x11; 8], &TRANSLATED, b"9203123"];
    for record in &world.journal {
        let bytes = postcard::to_stdvec(record).expect("serializes");
        for canary in canaries {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{record:?}");
        }
        assert!(!bytes.windows(3).any(|window| window == [0x5A, 1, 0x77]), "tag 5A in {record:?}");
    }
}
