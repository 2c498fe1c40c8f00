use super::*;

#[test]
fn each_fault_of_a_request_has_its_code_and_nothing_leaves() {
    type Change = fn(&mut Builder);
    let cases: [(&str, Change, ResponseCode); 9] = [
        (
            "unknown terminal",
            |m| _ = m.put::<de::TerminalId>(TerminalId::new("T9999999").expect("eight")),
            ResponseCode::INVALID_MERCHANT,
        ),
        (
            "terminal of another merchant",
            |m| _ = m.put::<de::MerchantId>(MerchantId::new("SWYD00000000002").expect("fifteen")),
            ResponseCode::INVALID_MERCHANT,
        ),
        ("no amount", |m| _ = m.remove::<de::Amount>(), ResponseCode::FORMAT_ERROR),
        ("nothing to pay", |m| _ = m.put::<de::Amount>(Minor::ZERO), ResponseCode::INVALID_AMOUNT),
        ("no STAN", |m| _ = m.remove::<de::Stan>(), ResponseCode::FORMAT_ERROR),
        ("no local time", |m| _ = m.remove::<de::LocalTime>(), ResponseCode::FORMAT_ERROR),
        ("no card", |m| _ = m.remove::<de::Track2>(), ResponseCode::FORMAT_ERROR),
        ("no currency", |m| _ = m.remove::<de::Currency>(), ResponseCode::FORMAT_ERROR),
        (
            "no route",
            |m| _ = m.put::<de::Track2>(Track2::from_chars(b"6011000000000004=30122010000012300000").expect("a track")),
            ResponseCode::NO_ROUTE,
        ),
    ];
    for (name, change, expected) in cases {
        let mut world = World::new();
        let mut request = terminal_request(b"0200", 1, OUR_CARD, 100);
        change(&mut request);
        world.terminal_sends(request);
        assert_eq!(world.answer_code(), expected, "{name}");
        assert!(world.nothing_sent(HOST) && world.nothing_sent(ISSUER), "{name}");
    }
}

#[test]
fn another_currency_is_the_host_s_to_decline() {
    let mut world = World::new();
    let mut request = terminal_request(b"0200", 1, OUR_CARD, 100);
    request.put::<de::Currency>(Currency::from_number(840));
    world.terminal_sends(request);
    assert_eq!(text::<de::Currency>(&world.next_sent(HOST)), "840");
}

#[test]
fn a_wrong_mac_is_96_for_a_request_and_silence_for_an_advice() {
    let mut world = World::new();
    world.mac = MacVerdict::Wrong;
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::SYSTEM_MALFUNCTION);
    world.terminal_sends(terminal_reversal(1, 100));
    world.terminal_sends(terminal_request(b"0220", 2, OUR_CARD, 100));
    assert!(world.answers.is_empty(), "its sender keeps it");
    assert!(world.nothing_sent(HOST) && world.owed_count() == 0);
    world.mac = MacVerdict::Right;
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
}

#[test]
fn a_message_without_mac_is_not_trusted_either() {
    let mut world = World::new();
    let mut request = terminal_request(b"0200", 1, OUR_CARD, 100);
    request.remove::<de::MacPrimary>().remove::<de::MacSecondary>();
    world.terminal_sends(request);
    assert_eq!(world.answer_code(), ResponseCode::SYSTEM_MALFUNCTION);
    assert!(world.nothing_sent(HOST));
}

#[test]
fn without_the_hsm_nothing_is_approved_and_no_advice_acknowledged() {
    let mut world = World::new();
    world.hsm_down = true;
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.terminal_sends(terminal_reversal(1, 100));
    assert!(world.answers.is_empty(), "not even the 96 can get its MAC");
    assert!(world.nothing_sent(HOST) && world.owed_count() == 0);
}

#[test]
fn a_pin_block_that_is_none_is_86() {
    let mut world = World::new();
    world.pin_format_error = true;
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::PIN_BLOCK_ERROR);
    assert!(world.nothing_sent(HOST));
}

#[test]
fn an_acquirer_that_is_not_in_its_link_s_list_is_refused() {
    let mut world = World::new();
    let mut request = acquirer_request(b"0200", 1, 100);
    request.put::<de::Acquirer>(InstitutionId::new("400012").expect("digits"));
    world.acquirer_sends(request);
    assert_eq!(world.answer_code(), ResponseCode(*b"31"));
    let mut request = acquirer_request(b"0200", 2, 100);
    request.remove::<de::Acquirer>();
    world.acquirer_sends(request);
    assert_eq!(text::<de::Acquirer>(&world.next_sent(HOST)), "510099", "the only one it can be");
}

/// A stranger's connection beside that of an institution that is signed on must not buy, and must not undo.
#[test]
fn each_connection_of_an_institution_signs_on_before_it_sends() {
    let mut world = World::new();
    let stranger = ConnectionId(29);
    world.event(Event::OriginatorConnected(ACQUIRER, stranger));
    world.acquirer_sends(acquirer_request(b"0200", 1, 100));
    let sale = world.next_sent(HOST);
    world.host_answers(&sale, ResponseCode::APPROVED);
    world.next_answer();
    for message in [
        acquirer_request(b"0200", 2, 100),
        acquirer_request(b"0220", 3, 100),
        acquirer_reversal(b"0420", 4, 1, 100),
        acquirer_request(b"0520", 5, 0),
    ] {
        world.arrive(ACQUIRER, stranger, b"", message);
        assert!(world.answers.is_empty() && world.nothing_sent(HOST) && world.owed_count() == 0);
    }
    let echo = world.network_request(301);
    world.arrive(ACQUIRER, stranger, b"", echo);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED, "a link may be tested");
    world.acquirer_sends(acquirer_request(b"0201", 1, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED, "the sale stands");
    let sign_on = world.network_request(1);
    world.arrive(ACQUIRER, stranger, b"", sign_on);
    world.next_answer();
    world.arrive(ACQUIRER, stranger, b"", acquirer_request(b"0200", 2, 100));
    assert_eq!(world.next_sent(HOST).mti().as_str(), "0200");
    let sign_off = world.network_request(2);
    world.arrive(ACQUIRER, stranger, b"", sign_off);
    world.next_answer();
    world.arrive(ACQUIRER, stranger, b"", acquirer_reversal(b"0420", 4, 1, 100));
    assert!(world.answers.is_empty(), "not after its sign-off either");
}

#[test]
fn echo_is_answered_and_unknown_functions_are_refused() {
    let mut world = World::new();
    for (function, expected) in [(301, ResponseCode::APPROVED), (161, ResponseCode::INVALID_TRANSACTION)] {
        let request = world.network_request(function);
        world.acquirer_sends(request);
        let answer = world.next_answer();
        assert_eq!((answer.mti().as_str(), code(&answer)), ("0810", expected));
        assert_eq!(answer.require::<de::NetworkManagementCode>(), Ok(Number(function)));
    }
    let file = Builder::new(&dialect("iso87-ascii"), Mti::of(b"0302"));
    world.acquirer_sends(file);
    assert_eq!(world.answer_code(), ResponseCode::INVALID_TRANSACTION);
}

#[test]
fn a_full_destination_sheds_before_anything_is_held() {
    let mut config = config();
    config.destinations[0].max_in_flight = 2;
    let mut world = World::without_destinations(config, Vec::new());
    world.connect(HOST, HOST_LINE);
    for stan in 1..=3 {
        world.terminal_sends(terminal_request(b"0200", stan, OUR_CARD, 100));
    }
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert_eq!(world.sent[&HOST].len(), 2);
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn an_advice_with_a_known_key_and_another_amount_is_acknowledged_and_told_to_the_host() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0220", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let first = world.next_sent(HOST);
    world.answer_from(HOST, HOST_LINE, host_answer(&first, ResponseCode::APPROVED));
    world.terminal_sends(terminal_request(b"0220", 1, OUR_CARD, 999));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let other = world.next_sent(HOST);
    assert_eq!(text::<de::OriginatorKey>(&other), text::<de::OriginatorKey>(&first));
    assert_eq!(text::<de::Amount>(&other), "000000000999", "the host keeps it as an exception");
}

#[test]
fn a_connection_that_does_not_sign_on_is_closed() {
    let mut world = World::new();
    let stranger = ConnectionId(29);
    world.event(Event::OriginatorConnected(ACQUIRER, stranger));
    world.pass(Duration::from_millis(9_999));
    assert!(world.closed.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.closed, [stranger], "and neither the one that signed on nor terminals, which need not");
}

#[test]
fn with_too_little_room_on_the_disk_requests_are_not_begun_and_all_else_goes_on() {
    let mut world = World::new();
    world.acquirer_sends(acquirer_request(b"0200", 1, 700));
    let before = world.next_business(HOST);
    world.event(Event::DiskLow(true));
    assert!(!world.core.is_ready());
    world.acquirer_sends(acquirer_request(b"0200", 2, 700));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert!(world.nothing_sent(HOST));
    world.host_answers(&before, ResponseCode::APPROVED);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED, "what was under way ends");
    world.acquirer_sends(acquirer_request(b"0201", 1, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED, "and is repeated");
    world.acquirer_sends(acquirer_reversal(b"0420", 3, 1, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.next_business(HOST).mti().as_str(), "0420");
    world.acquirer_sends(acquirer_request(b"0220", 4, 700));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    world.event(Event::DiskLow(false));
    assert!(world.core.is_ready());
    world.acquirer_sends(acquirer_request(b"0200", 5, 700));
    let up = world.next_business(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
}

#[test]
fn operators_see_which_element_was_at_fault() {
    let mut world = World::new();
    for (stan, remove_card) in [(1, false), (2, true), (3, true)] {
        let mut request = terminal_request(b"0200", stan, OUR_CARD, 100);
        if remove_card {
            request.remove::<de::Track2>();
        } else {
            request.remove::<de::Currency>();
        }
        world.terminal_sends(request);
        assert_eq!(world.answer_code(), ResponseCode::FORMAT_ERROR);
    }
    world.event(Event::Operator(Ticket(1), Command::Links));
    let Some(Reply::Done(links)) = world.replies.pop() else { panic!("an answer") };
    let of_terminals = &links["links"][0];
    assert_eq!(of_terminals["name"], "terminals");
    assert_eq!(of_terminals["refused_by_element"], serde_json::json!({ "DE2": 2, "DE49": 1 }));
}
