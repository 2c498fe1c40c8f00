use super::*;

const TIMEOUT: Duration = Duration::from_millis(5_000);

#[test]
fn a_time_out_is_91_and_a_reversal_until_it_is_acknowledged() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 77, OUR_CARD, 4_200));
    let up = world.next_sent(HOST);
    world.pass(TIMEOUT - Duration::from_millis(1));
    assert!(world.answers.is_empty());
    let before = world.journal.len();
    world.pass(Duration::from_millis(1));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    let records = format!("{:?}", &world.journal[before..]);
    assert!(records.starts_with("[Owed("), "the reversal is promised before anything else: {records}");

    let reversal = world.next_sent(HOST);
    assert_eq!(reversal.mti().as_str(), "0420");
    assert_ne!(text::<de::Stan>(&reversal), text::<de::Stan>(&up));
    assert_eq!(text::<de::OriginatorKey>(&reversal), named(&up), "the original's key");
    assert_eq!(text::<de::ReferredKey>(&reversal), named(&up));
    assert_eq!(text::<de::Amount>(&reversal), "000000004200");
    assert_eq!(text::<de::Pan>(&reversal), OUR_CARD);
    assert_eq!(text::<de::Rrn>(&reversal), text::<de::Rrn>(&up));
    assert_eq!(code(&reversal), ResponseCode::RESPONSE_TOO_LATE);
    let original = reversal.require::<de::OriginalData>().expect("DE90");
    assert_eq!(original.mti.as_str(), "0200");
    assert_eq!(Ok(original.stan), up.require::<de::Stan>());
    assert_eq!(original.transmitted, up.get::<de::TransmissionTime>().expect("a time"));
    assert_eq!(original.acquirer.map(|a| a.to_string()), Some("400012".into()));
    for hidden in [reversal.has::<de::Track2>(), reversal.has::<de::PinBlock>(), reversal.has::<de::Icc>()] {
        assert!(!hidden);
    }

    world.pass(TIMEOUT + Duration::from_millis(1_000));
    let repeat = world.next_business(HOST);
    assert_eq!(repeat.mti().as_str(), "0421");
    assert_eq!(text::<de::Stan>(&repeat), text::<de::Stan>(&reversal));
    assert_eq!(text::<de::TransmissionTime>(&repeat), text::<de::TransmissionTime>(&reversal));
    let answer = host_answer(&repeat, ResponseCode::APPROVED);
    assert_eq!(answer.mti().as_str(), "0430");
    world.answer_from(HOST, HOST_LINE, answer);
    assert_eq!(world.owed_count(), 0);
    assert!(world.journal.contains(&Record::Acknowledged { owed: 1 }));
    world.pass(Duration::from_secs(300));
    assert!(world.sent[&HOST].iter().all(|m| m.mti().as_str() == "0800"), "nothing but echoes");
}

#[test]
fn a_late_answer_is_recorded_with_the_reversal_and_never_forwarded() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let up = world.next_sent(HOST);
    world.pass(TIMEOUT);
    world.next_answer();
    world.host_answers(&up, ResponseCode::APPROVED);
    assert!(world.answers.is_empty());
    assert_eq!(world.owed()["owed"][0]["late_answer"], "00");
    assert_eq!(world.owed_count(), 1, "one reversal, not two");
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "its repeat is 91 again, late approval or not");

    let mut world = world.restart();
    assert_eq!(world.owed()["owed"][0]["late_answer"], "00", "a restart does not forget it");
    assert_eq!(world.owed_count(), 1);
    let reversal = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::APPROVED));
    assert_eq!(world.restart().owed_count(), 0, "acknowledged with its outcome");
}

#[test]
fn a_late_acknowledgement_is_as_good_as_one_in_time() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    let reversal = world.next_sent(HOST);
    world.pass(TIMEOUT);
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::APPROVED));
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn not_now_is_no_acknowledgement_and_unreadable_is_a_dead_letter() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    let reversal = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::SYSTEM_MALFUNCTION));
    assert_eq!(world.owed_count(), 1);
    world.pass(Duration::from_secs(1));
    let repeat = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&repeat, ResponseCode::FORMAT_ERROR));
    let owed = world.owed();
    assert_eq!((&owed["count"], &owed["dead_letters"][0]["why"]), (&0.into(), &"refused".into()));
}

/// The host takes no reversal with such an answer: it is for a person, and stays so over a restart.
#[test]
fn an_answer_that_does_not_acknowledge_makes_a_dead_letter_that_stays_one() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    let reversal = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::INVALID_TRANSACTION));
    for restart in [false, true] {
        if restart {
            world = world.restart();
        }
        let owed = world.owed();
        assert_eq!((&owed["count"], &owed["dead_letters"][0]["why"]), (&0.into(), &"refused".into()), "{restart}");
    }
}

#[test]
fn a_duplicate_is_acknowledged() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    let reversal = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::DUPLICATE));
    let owed = world.owed();
    assert_eq!((&owed["count"], owed["dead_letters"].as_array().map(Vec::len)), (&0.into(), Some(0)));
}

#[test]
fn an_original_that_is_not_found_may_still_come_for_five_minutes() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    let (mut asked, began) = (0, world.now.mono);
    loop {
        let arrived: Vec<Message> = world.sent.entry(HOST).or_default().drain(..).collect();
        for message in arrived {
            if message.mti().as_str() == "0800" {
                world.answer_network(HOST, HOST_LINE, &message);
            } else {
                asked += 1;
                world.answer_from(HOST, HOST_LINE, host_answer(&message, ResponseCode::UNABLE_TO_LOCATE_RECORD));
            }
        }
        if world.owed_count() == 0 {
            break;
        }
        world.pass(Duration::from_secs(1));
    }
    let lasted = world.now.mono - began;
    assert!((300..335).contains(&lasted.as_secs()) && asked > 5, "{asked} times in {lasted:?}");
    assert_eq!(world.owed()["dead_letters"][0]["why"], "original-not-found");
}

/// Somebody sets the clock, or a time server does.
#[test]
fn a_clock_that_jumps_expires_nothing() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    world.now.wall_ms += 40 * 86_400_000;
    world.pass(Duration::from_secs(120));
    assert_eq!(world.owed_count(), 1);
    let mut world = world.restart();
    world.pass(Duration::from_secs(120));
    assert_eq!(world.owed_count(), 1, "nor does it while the switch is down");
    world.pass(Duration::from_secs(3_700));
    assert_eq!(world.owed()["dead_letters"][0]["why"], "expired", "if that was no jump, it is old enough now");
}

#[test]
fn one_that_the_host_never_takes_does_not_hold_up_its_card() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0220", 1, OUR_CARD, 100));
    world.next_answer();
    let poison = world.next_sent(HOST);
    world.terminal_sends(terminal_request(b"0220", 2, OUR_CARD, 200));
    world.next_answer();
    let is_poison = |message: &Message| text::<de::Stan>(message) == text::<de::Stan>(&poison);
    world.answer_from(HOST, HOST_LINE, host_answer(&poison, ResponseCode::SYSTEM_MALFUNCTION));
    for second in 0..400_u32 {
        if second % 10 == 0 {
            world.terminal_sends(terminal_request(b"0200", 100 + second, "4000120000000010", 100));
        }
        let arrived: Vec<Message> = world.sent.entry(HOST).or_default().drain(..).collect();
        for message in arrived {
            match message.mti().as_str() {
                "0200" => world.host_answers(&message, ResponseCode::APPROVED),
                "0800" => world.answer_network(HOST, HOST_LINE, &message),
                _ => {
                    let takes = !is_poison(&message);
                    let code = if takes { ResponseCode::APPROVED } else { ResponseCode::SYSTEM_MALFUNCTION };
                    world.answer_from(HOST, HOST_LINE, host_answer(&message, code));
                }
            }
        }
        world.pass(Duration::from_secs(1));
    }
    let owed = world.owed();
    assert_eq!((&owed["count"], &owed["owed"][0]["stepped_aside"]), (&1.into(), &true.into()));
}

#[test]
fn while_too_much_is_owed_to_a_destination_requests_to_it_are_refused() {
    let mut config = config();
    config.owed.max_messages_per_destination = 2;
    let mut world = World::without_destinations(config, Vec::new());
    for stan in 1..=3 {
        world.terminal_sends(terminal_reversal(stan, 100));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED, "what is owed is taken all the same");
    }
    world.connect(HOST, HOST_LINE);
    world.terminal_sends(terminal_request(b"0200", 9, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    for _ in 0..3 {
        let reversal = world.next_business(HOST);
        world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::APPROVED));
    }
    world.terminal_sends(terminal_request(b"0200", 10, OUR_CARD, 100));
    assert_eq!(world.next_business(HOST).mti().as_str(), "0200");
}

#[test]
fn inquiries_and_verifications_leave_nothing_to_reverse() {
    let mut world = World::new();
    let mut inquiry = terminal_request(b"0100", 1, OUR_CARD, 0);
    inquiry.put::<de::ProcessingCode>(ProcessingCode::BALANCE_INQUIRY);
    world.terminal_sends(inquiry);
    world.terminal_sends(terminal_request(b"0100", 2, OUR_CARD, 0));
    world.pass(TIMEOUT);
    assert_eq!(
        (world.answer_code(), world.answer_code()),
        (ResponseCode::ISSUER_INOPERATIVE, ResponseCode::ISSUER_INOPERATIVE)
    );
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn link_down_is_91_at_once_and_nothing_is_owed() {
    let mut world = World::new();
    world.event(Event::DestinationGone(HOST, HOST_LINE));
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert_eq!(world.owed_count(), 0);
    world.connect(HOST, ConnectionId(32));
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "the same answer for its repeat");
    assert!(world.nothing_sent(HOST));
}

#[test]
fn a_terminal_s_reversal_is_acknowledged_when_owed_and_delivered_when_the_link_is_back() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    world.event(Event::DestinationGone(HOST, HOST_LINE));
    world.terminal_sends(terminal_reversal(8, 900));
    let acknowledged = world.next_answer();
    assert_eq!((acknowledged.mti().as_str(), code(&acknowledged)), ("0410", ResponseCode::APPROVED));
    world.terminal_sends(terminal_reversal(8, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 1, "reversed once, acknowledged as often as asked");
    world.connect(HOST, ConnectionId(33));
    let reversal = world.next_sent(HOST);
    assert_eq!(reversal.mti().as_str(), "0420");
    assert_eq!(text::<de::Pan>(&reversal), OUR_CARD, "the switch adds the card from its record");
    assert_eq!(text::<de::ApprovalCode>(&reversal), "A1B2C3");
    assert_eq!(text::<de::LifeCycleId>(&reversal), "SWYHOST00000001");
    assert_eq!(text::<de::OriginatorKey>(&reversal), named(&up));
    world.terminal_sends(terminal_request(b"0201", 8, OUR_CARD, 900));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "what was reversed does not stand any more");
}

#[test]
fn a_reversal_of_what_is_under_way_ends_it() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    let up = world.next_sent(HOST);
    world.terminal_sends(terminal_reversal(8, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_sent(HOST);
    assert_eq!(reversal.mti().as_str(), "0420");
    world.host_answers(&up, ResponseCode::APPROVED);
    assert!(world.answers.is_empty(), "an approval after the reversal is not forwarded");
    world.pass(TIMEOUT);
    assert_eq!(world.owed_count(), 1, "and no time-out adds another reversal");
}

#[test]
fn the_terminal_s_reversal_and_the_time_out_s_are_one() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    world.next_answer();
    world.terminal_sends(terminal_reversal(8, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 1);
}

#[test]
fn an_acquirer_s_reversal_names_its_original_in_de90() {
    let mut world = World::new();
    world.acquirer_sends(acquirer_request(b"0200", 500, 700));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    world.acquirer_sends(acquirer_reversal(b"0420", 501, 500, 700));
    let acknowledged = world.next_answer();
    assert_eq!(acknowledged.mti().as_str(), "0430");
    assert_eq!(text::<de::Stan>(&acknowledged), "000501");
    let reversal = world.next_sent(HOST);
    assert_eq!(text::<de::OriginatorKey>(&reversal), named(&up));
    let original = reversal.require::<de::OriginalData>().expect("DE90");
    assert_eq!(Ok(original.stan), up.require::<de::Stan>(), "rewritten to the switch's own STAN");
    assert_eq!(code(&reversal), ResponseCode::CUSTOMER_CANCELLED);
    world.acquirer_sends(acquirer_reversal(b"0421", 501, 500, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 1);
}

#[test]
fn a_partial_reversal_keeps_what_stands_and_a_full_one_may_follow() {
    let mut world = World::new();
    world.acquirer_sends(acquirer_request(b"0200", 500, 700));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    let partial = || {
        let mut message = acquirer_reversal(b"0420", 501, 500, 700);
        message.put::<de::ReplacementAmounts>(ReplacementAmounts { transaction: Minor(200), settlement: Minor(0) });
        message
    };
    world.acquirer_sends(partial());
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_sent(HOST);
    assert_eq!(reversal.require::<de::ReplacementAmounts>().map(|a| a.transaction), Ok(Minor(200)));
    world.acquirer_sends(partial());
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 1, "its repeat changes nothing");
    world.answer_from(HOST, HOST_LINE, host_answer(&reversal, ResponseCode::APPROVED));
    world.acquirer_sends(acquirer_reversal(b"0420", 502, 500, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert!(!world.next_sent(HOST).has::<de::ReplacementAmounts>());
}

#[test]
fn a_reversal_of_an_unknown_original_is_acknowledged_and_reaches_the_host() {
    let mut world = World::new();
    world.terminal_sends(terminal_reversal(4_711, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_sent(HOST);
    assert_eq!(text::<de::OriginatorKey>(&reversal), "terminals|T0000001|SWYD00000000001|004711|111112|1120");
    assert!(!reversal.has::<de::Pan>() && !reversal.has::<de::OriginalData>());
    world.terminal_sends(terminal_reversal(4_711, 100));
    assert_eq!(
        (world.answer_code(), world.owed_count()),
        (ResponseCode::APPROVED, 1),
        "and its repeat is not owed again"
    );
    let mut world = world.restart();
    world.terminal_sends(terminal_reversal(4_711, 100));
    assert_eq!((world.answer_code(), world.owed_count()), (ResponseCode::APPROVED, 1), "nor after a restart");
}

#[test]
fn a_declined_request_needs_no_reversal() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::INSUFFICIENT_FUNDS);
    world.next_answer();
    world.terminal_sends(terminal_reversal(8, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn an_answer_to_a_connection_that_is_gone_waits_for_the_repeat() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    let up = world.next_sent(HOST);
    world.event(Event::OriginatorGone(TERMINALS, TERMINAL_LINE));
    world.host_answers(&up, ResponseCode::APPROVED);
    assert!(world.answers.is_empty() && world.owed_count() == 0, "the terminal repeats or reverses, not the switch");
    world.event(Event::OriginatorConnected(TERMINALS, TERMINAL_LINE));
    world.terminal_sends(terminal_request(b"0201", 8, OUR_CARD, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
}

#[test]
fn three_missed_echoes_take_a_link_down_and_its_connection_is_closed() {
    let mut world = World::new();
    world.pass(Duration::from_secs(10));
    let echo = world.next_sent(HOST);
    assert_eq!(text::<de::NetworkManagementCode>(&echo), "301");
    let echo_93 = world.next_sent(ISSUER);
    assert_eq!((echo_93.mti().as_str(), text::<de::FunctionCode>(&echo_93).as_str()), ("1804", "831"));
    world.answer_network(ISSUER, ISSUER_LINE, &echo_93);
    world.pass(Duration::from_secs(6));
    assert_eq!(world.closed, [HOST_LINE]);
    assert!(!world.core.is_ready() && world.core.parts.destinations.is_up(ISSUER));
}

/// Nobody knows what such an answer has done at the destination.
#[test]
fn an_answer_that_contradicts_its_request_is_reversed_and_declined() {
    type Change = fn(&mut Builder);
    let amount: Change = |m| _ = m.put::<de::Amount>(Minor(90_000));
    let currency: Change = |m| _ = m.put::<de::Currency>(Currency::from_number(840));
    let code: Change = |m| _ = m.put::<de::ResponseCode>(ResponseCode(*b"Q7"));
    for change in [amount, currency, code] {
        let mut world = World::new();
        world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
        let up = world.next_sent(HOST);
        let mut answer = host_answer(&up, ResponseCode::APPROVED);
        answer.copy::<de::Currency>(&up);
        change(&mut answer);
        world.answer_from(HOST, HOST_LINE, answer);
        let down = world.next_answer();
        assert_eq!((super::code(&down), down.require::<de::Amount>()), (ResponseCode::DO_NOT_HONOUR, Ok(Minor(900))));
        assert!(!down.has::<de::ApprovalCode>());
        let reversal = world.next_business(HOST);
        assert_eq!((reversal.mti().as_str(), text::<de::OriginatorKey>(&reversal)), ("0420", named(&up)));
        world.terminal_sends(terminal_request(b"0201", 8, OUR_CARD, 900));
        assert_eq!(world.answer_code(), ResponseCode::DO_NOT_HONOUR, "and its repeat");
        world.terminal_sends(terminal_reversal(8, 900));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        assert_eq!(world.owed_count(), 1, "reversed once");
    }
}

#[test]
fn an_institution_gets_its_answer_over_another_connection_if_the_first_is_gone() {
    let other = ConnectionId(21);
    for signed_on in [true, false] {
        let mut world = World::new();
        world.event(Event::OriginatorConnected(ACQUIRER, other));
        if signed_on {
            let sign_on = world.network_request(1);
            world.arrive(ACQUIRER, other, b"", sign_on);
            world.next_answer();
        }
        world.acquirer_sends(acquirer_request(b"0200", 8, 900));
        let up = world.next_sent(HOST);
        world.event(Event::OriginatorGone(ACQUIRER, ACQUIRER_LINE));
        world.host_answers(&up, ResponseCode::APPROVED);
        let answered: Vec<ConnectionId> = world.answers.drain(..).map(|(connection, _)| connection).collect();
        let expected = if signed_on { vec![other] } else { vec![] };
        assert_eq!(answered, expected);
    }
}

/// Its connection takes no more: nothing is reversed that the destination never got.
#[test]
fn what_could_not_be_sent_is_91_at_once_and_owes_nothing() {
    let mut world = World::new();
    world.nothing_leaves = true;
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    assert_eq!((world.answer_code(), world.owed_count()), (ResponseCode::ISSUER_INOPERATIVE, 0));
    assert_eq!(world.core.under_way(), 0);
    world.terminal_sends(terminal_request(b"0201", 8, OUR_CARD, 900));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "and its repeat");
    // an owed message is tried again
    world.terminal_sends(terminal_request(b"0220", 9, OUR_CARD, 100));
    assert_eq!((world.answer_code(), world.owed_count()), (ResponseCode::APPROVED, 1));
    world.nothing_leaves = false;
    world.pass(Duration::from_secs(2));
    assert_eq!(world.next_business(HOST).mti().as_str(), "0221");
    let mut world = world.restart();
    assert_eq!(world.owed_count(), 1, "the request is no more unanswered after a restart");
}
