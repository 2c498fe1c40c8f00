//! Which request a reversal reverses, and what becomes of one that reverses none.

use super::*;

/// An approved purchase at the acquirer; gives it as the host got it.
fn bought(world: &mut World, stan: u32, minor: i64) -> Message {
    world.acquirer_sends(acquirer_request(b"0200", stan, minor));
    let up = world.next_business(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    up
}

/// What the host gets of a reversal: its key, and the rest.
fn at_host(world: &mut World, reversal: Builder) -> Message {
    world.acquirer_sends(reversal);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_business(HOST);
    assert_eq!(reversal.mti().as_str(), "0420");
    reversal
}

#[test]
fn de90_names_the_original_whatever_else_is_the_reversal_s_own() {
    type Change = fn(&mut Builder);
    let own_time: Change = |m| _ = m.put::<de::LocalTime>(time(12, 0, 0));
    let cases: [(&str, Change); 6] = [
        ("local time of its own", own_time),
        ("no local time", |m| _ = m.remove::<de::LocalTime>().remove::<de::LocalDate>()),
        ("no merchant", |m| _ = m.remove::<de::MerchantId>()),
        ("no terminal and no merchant", |m| _ = m.remove::<de::TerminalId>().remove::<de::MerchantId>()),
        ("no card", |m| _ = m.remove::<de::Pan>()),
        ("no reference number", |m| _ = m.remove::<de::Rrn>().put::<de::LocalTime>(time(12, 0, 0))),
    ];
    for (name, change) in cases {
        let mut world = World::new();
        let up = bought(&mut world, 500, 700);
        let mut reversal = acquirer_reversal(b"0420", 501, 500, 700);
        change(&mut reversal);
        let sent = at_host(&mut world, reversal);
        assert_eq!(text::<de::OriginatorKey>(&sent), named(&up), "{name}");
        assert_eq!(text::<de::Pan>(&sent), OUR_CARD, "{name}");
        world.acquirer_sends(acquirer_request(b"0201", 500, 700));
        assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "{name}: it is reversed");
    }
}

#[test]
fn trace_numbers_come_round_and_the_transmission_time_tells_them_apart() {
    let mut world = World::new();
    let mut earlier = acquirer_request(b"0200", 500, 700);
    earlier.put::<de::LocalTime>(time(9, 0, 0)).put::<de::Rrn>(Rrn::new("632409000001").expect("twelve"));
    earlier.put::<de::TransmissionTime>(crate::now::transmission_time(START_MS - 7_200_000));
    world.acquirer_sends(earlier);
    let first = world.next_business(HOST);
    world.host_answers(&first, ResponseCode::APPROVED);
    world.next_answer();
    let second = bought(&mut world, 500, 700);
    for (transmitted, expected) in [(START_MS - 7_200_000, &first), (START_MS, &second)] {
        let mut reversal = acquirer_reversal(b"0420", 501, 500, 700);
        reversal.remove::<de::Rrn>().put::<de::LocalTime>(time(12, 0, 0)).put::<de::OriginalData>(OriginalData {
            mti: Mti::of(b"0200"),
            stan: Stan(500),
            transmitted: Some(crate::now::transmission_time(transmitted)),
            acquirer: None,
            forwarder: None,
        });
        let sent = at_host(&mut world, reversal);
        assert_eq!(text::<de::OriginatorKey>(&sent), named(expected));
        world.answer_from(HOST, HOST_LINE, host_answer(&sent, ResponseCode::APPROVED));
    }
}

#[test]
fn what_several_requests_answer_to_reverses_none_of_them() {
    let mut world = World::new();
    for hour in [9, 10] {
        let mut request = acquirer_request(b"0200", 500, 700);
        request.put::<de::LocalTime>(time(hour, 0, 0));
        world.acquirer_sends(request);
        let up = world.next_business(HOST);
        world.host_answers(&up, ResponseCode::APPROVED);
        world.next_answer();
    }
    // they share trace number, transmission time and reference number, and its own time is that of neither
    let mut reversal = acquirer_reversal(b"0420", 501, 500, 700);
    reversal.put::<de::LocalTime>(time(12, 0, 0));
    let sent = at_host(&mut world, reversal);
    assert_eq!(text::<de::OriginatorKey>(&sent), "acquirer-ascii|F0000001|FACQ00000000001|000500|120000|1120|2");
    for hour in [9, 10] {
        let mut repeat = acquirer_request(b"0201", 500, 700);
        repeat.put::<de::LocalTime>(time(hour, 0, 0));
        world.acquirer_sends(repeat);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED, "both stand");
    }
}

#[test]
fn without_de90_the_reference_number_names_it_and_the_approval_code_must_fit() {
    for (approval, known) in [(Some("A1B2C3"), true), (None, true), (Some("999999"), false)] {
        let mut world = World::new();
        let up = bought(&mut world, 500, 700);
        let mut reversal = acquirer_request(b"0420", 777, 700);
        reversal.put::<de::LocalTime>(time(12, 0, 0));
        reversal.put_some::<de::ApprovalCode>(approval.and_then(ApprovalCode::new));
        let sent = at_host(&mut world, reversal);
        assert_eq!(text::<de::OriginatorKey>(&sent) == named(&up), known, "{approval:?}");
    }
}

/// The host sees what the reversal said, and the request stands until a reversal that is right.
#[test]
fn a_reversal_of_another_amount_currency_or_card_is_told_to_the_host_and_reverses_nothing() {
    type Change = fn(&mut Builder);
    let dollars: Change = |m| _ = m.put::<de::Currency>(Currency::from_number(840));
    let card: Change = |m| _ = m.put::<de::Pan>(Pan::from_digits(b"4000120000000010").expect("a PAN"));
    for change in [|m: &mut Builder| _ = m.put::<de::Amount>(Minor(300)), dollars, card] {
        let mut world = World::new();
        let up = bought(&mut world, 500, 700);
        let mut wrong = acquirer_reversal(b"0420", 501, 500, 700);
        change(&mut wrong);
        let said =
            |message: &Message| [text::<de::Amount>(message), text::<de::Currency>(message), text::<de::Pan>(message)];
        let expected = Message::decode(&dialect("iso87-ascii"), wrong.encode().expect("valid")).expect("valid");
        let sent = at_host(&mut world, wrong);
        assert_eq!(said(&sent), said(&expected));
        world.answer_from(HOST, HOST_LINE, host_answer(&sent, ResponseCode::APPROVED));
        world.acquirer_sends(acquirer_request(b"0201", 500, 700));
        assert_eq!(world.answer_code(), ResponseCode::APPROVED, "it stands");
        let right = at_host(&mut world, acquirer_reversal(b"0420", 502, 500, 700));
        assert_eq!(text::<de::OriginatorKey>(&right), named(&up));
    }
}

#[test]
fn a_foreign_issuer_gets_no_reversal_that_differs_and_none_that_names_nothing() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 9, FOREIGN_CARD, 1250));
    let request = world.next_sent(ISSUER);
    world.issuer_answers(&request, 0);
    world.next_answer();
    let advice = world.next_business(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&advice, ResponseCode::APPROVED));
    world.terminal_sends(terminal_reversal(9, 999));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.next_business(HOST).mti().as_str(), "0420", "the host keeps it as an exception");
    // of a sale that never came
    let mut unknown = terminal_request(b"0400", 10, FOREIGN_CARD, 500);
    unknown.remove::<de::PinBlock>();
    world.terminal_sends(unknown);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert!(world.nothing_sent(ISSUER));
    let owed = world.owed();
    assert!(owed["owed"].as_array().expect("a list").iter().all(|owed| owed["destination"] == "host"), "{owed}");
}

/// 0400 first, then the sale: nobody may approve it, not even after a restart.
#[test]
fn what_was_reversed_before_it_came_is_not_sent() {
    for (card, restart) in [(OUR_CARD, false), (FOREIGN_CARD, false), (FOREIGN_CARD, true)] {
        let mut world = World::new();
        let mut reversal = terminal_request(b"0400", 10, card, 500);
        reversal.remove::<de::PinBlock>();
        world.terminal_sends(reversal);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        if restart {
            world = world.restart();
        }
        world.sent.clear();
        world.terminal_sends(terminal_request(b"0200", 10, card, 500));
        assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "{card} {restart}");
        assert!(world.nothing_sent(ISSUER) && world.nothing_sent(HOST));
        world.terminal_sends(terminal_request(b"0200", 11, card, 500));
        assert!(!world.nothing_sent(if card == OUR_CARD { HOST } else { ISSUER }), "another goes");
    }
    let mut world = World::new();
    let mut reversal = acquirer_reversal(b"0420", 501, 500, 700);
    reversal.put::<de::LocalTime>(time(12, 0, 0));
    at_host(&mut world, reversal);
    world.acquirer_sends(acquirer_request(b"0200", 500, 700));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE, "named by trace number and transmission time");
}

/// Otherwise the reversal would find no original, and the sale would be sent after it.
#[test]
fn a_reversal_does_not_overtake_its_original_at_the_hsm() {
    let mut world = World::new();
    world.hsm_waits = true;
    world.terminal_sends(terminal_request(b"0200", 7, OUR_CARD, 900));
    world.terminal_sends(terminal_reversal(7, 900));
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 100));
    world.hsm_replies(1);
    assert!(world.nothing_sent(HOST), "the reversal waits");
    world.hsm_replies(1);
    assert_eq!(text::<de::Amount>(&world.next_sent(HOST)), "000000000100", "another transaction does not");
    world.hsm_replies(0);
    let types: Vec<String> = world.sent[&HOST].iter().map(|message| message.mti().to_string()).collect();
    assert_eq!(types, ["0200", "0420"]);
    // without a MAC or a PIN block there is nothing to ask for; it waits all the same
    let mut world = World::new();
    world.hsm_waits = true;
    let mut request = acquirer_request(b"0200", 500, 700);
    request.put::<de::PinBlock>(PinBlock::new(&[0x11; 8]).expect("eight bytes"));
    world.acquirer_sends(request);
    world.acquirer_sends(acquirer_reversal(b"0420", 501, 500, 700));
    assert!(world.nothing_sent(HOST) && world.answers.is_empty());
    world.hsm_replies(0);
    let types: Vec<String> = world.sent[&HOST].iter().map(|message| message.mti().to_string()).collect();
    assert_eq!(types, ["0200", "0420"]);
    assert_eq!(world.core.under_way(), 1, "nothing waits for the HSM any more");
}
