use super::*;

fn cut_over(world: &mut World, date: Option<&str>) {
    let date = date.map(|d| d.parse().expect("a date"));
    world.event(Event::Operator(Ticket(9), Command::CutOver { date, force: false }));
}

#[test]
fn a_request_under_way_keeps_its_date_over_the_cut_over() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let before = world.next_sent(HOST);
    cut_over(&mut world, Some("2026-11-21"));
    let announcement = world.next_sent(HOST);
    assert_eq!(announcement.mti().as_str(), "0800");
    assert_eq!(text::<de::NetworkManagementCode>(&announcement), "201");
    assert_eq!(text::<de::SettlementDate>(&announcement), "1121");
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 100));
    let after = world.next_sent(HOST);
    assert_eq!(
        (text::<de::SettlementDate>(&before), text::<de::SettlementDate>(&after)),
        ("1120".into(), "1121".into())
    );
    assert!(world.replies.is_empty(), "the operator hears when the host agrees");
    world.answer_network(HOST, HOST_LINE, &announcement);
    let Some(Reply::Done(reply)) = world.replies.pop() else { panic!("a reply") };
    assert_eq!(reply, serde_json::json!({ "business_date": "2026-11-21", "acknowledged": true }));
    world.host_answers(&before, ResponseCode::APPROVED);
    world.host_answers(&after, ResponseCode::APPROVED);
    assert_eq!(text::<de::SettlementDate>(&world.next_answer()), "1120");
    assert_eq!(text::<de::SettlementDate>(&world.next_answer()), "1121");
}

#[test]
fn it_is_announced_until_the_host_agrees_and_survives_a_restart() {
    let mut world = World::new();
    world.event(Event::DestinationGone(HOST, HOST_LINE));
    cut_over(&mut world, None);
    assert!(world.nothing_sent(HOST));
    let mut world = world.restart();
    let announcement = world.sent[&HOST].iter().find(|m| text::<de::NetworkManagementCode>(m) == "201").cloned();
    let announcement = announcement.expect("announced on the new connection");
    assert_eq!(text::<de::SettlementDate>(&announcement), "1121");
    world.sent.clear();
    world.pass(Duration::from_secs(1));
    let again = world.next_sent(HOST);
    assert_eq!(text::<de::NetworkManagementCode>(&again), "201");
    world.answer_network(HOST, HOST_LINE, &again);
    world.pass(Duration::from_secs(5));
    assert!(world.nothing_sent(HOST));
    let mut world = world.restart();
    world.sent.clear();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(text::<de::SettlementDate>(&world.next_sent(HOST)), "1121");
}

#[test]
fn the_date_never_goes_back_and_once_is_enough() {
    let mut world = World::new();
    cut_over(&mut world, Some("2026-11-19"));
    assert!(matches!(world.replies.pop(), Some(Reply::Refused(_))));
    cut_over(&mut world, Some("2026-11-20"));
    assert!(matches!(world.replies.pop(), Some(Reply::Done(_))), "it is that date already");
    assert!(world.nothing_sent(HOST));
}

#[test]
fn a_reversal_has_its_own_date_and_an_acquired_advice_that_of_its_request() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, FOREIGN_CARD, 100));
    let request = world.next_sent(ISSUER);
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 100));
    world.next_sent(HOST);
    cut_over(&mut world, None);
    world.sent.clear();
    world.issuer_answers(&request, 0);
    assert_eq!(text::<de::SettlementDate>(&world.next_sent(HOST)), "1120");
    world.pass(Duration::from_secs(5));
    let reversal = world.sent[&HOST].iter().find(|m| m.mti().as_str() == "0420").cloned().expect("a reversal");
    assert_eq!(text::<de::SettlementDate>(&reversal), "1121");
}

#[test]
fn a_date_far_ahead_is_a_slip_unless_it_is_forced() {
    let mut world = World::new();
    cut_over(&mut world, Some("2099-12-31"));
    assert!(matches!(world.replies.pop(), Some(Reply::Refused(reason)) if reason.contains("force")));
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(text::<de::SettlementDate>(&world.next_sent(HOST)), "1120");
    cut_over(&mut world, Some("2026-11-25"));
    assert!(world.replies.is_empty(), "over a long weekend");
    let date = "2027-02-01".parse().ok();
    world.event(Event::Operator(Ticket(9), Command::CutOver { date, force: true }));
    world.sent.clear();
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 100));
    assert_eq!(text::<de::SettlementDate>(&world.next_sent(HOST)), "0201");
}

/// Otherwise a switch that was installed on Friday and started again on Monday would have lost Friday.
#[test]
fn the_first_date_of_an_installation_stays_until_a_cut_over() {
    let mut world = World::new();
    world.now.wall_ms += 3 * 86_400_000;
    let mut world = world.restart();
    world.sent.clear();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    assert_eq!(text::<de::SettlementDate>(&world.next_sent(HOST)), "1120");
}
