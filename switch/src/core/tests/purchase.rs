use super::*;

#[test]
fn a_purchase_goes_up_with_the_switch_s_stamps_and_comes_back_as_it_was_sent() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 123, OUR_CARD, 1250));
    let up = world.next_sent(HOST);
    assert_eq!(up.mti().as_str(), "0200");
    assert_ne!(up.require::<de::Stan>().expect("a STAN"), Stan(123), "the STAN is the switch's own");
    assert_eq!(text::<de::TransmissionTime>(&up), "1120101112");
    assert_eq!(text::<de::SettlementDate>(&up), "1120");
    assert_eq!(text::<de::Acquirer>(&up), "400012");
    assert_eq!(text::<de::OriginatorKey>(&up), "terminals|T0000001|SWYD00000000001|000123|111112|1120");
    assert_eq!(text::<de::MerchantType>(&up), "5411");
    assert_eq!(text::<de::Pan>(&up), OUR_CARD);
    assert_eq!(text::<de::Expiry>(&up), "3012");
    assert!(text::<de::Track2>(&up).starts_with(OUR_CARD));
    assert_eq!(up.require::<de::PinBlock>().expect("a block").expose(), TRANSLATED);
    let rrn = text::<de::Rrn>(&up);
    assert!(rrn.starts_with("6324") && rrn.len() == 12, "{rrn}");
    assert!(!up.has::<de::MacPrimary>() && !up.has::<de::MacSecondary>());

    world.host_answers(&up, ResponseCode::APPROVED);
    let down = world.next_answer();
    assert_eq!(down.mti().as_str(), "0210");
    assert_eq!(code(&down), ResponseCode::APPROVED);
    assert_eq!(text::<de::Stan>(&down), "000123");
    assert_eq!(text::<de::ApprovalCode>(&down), "A1B2C3");
    assert_eq!(text::<de::Rrn>(&down), rrn);
    assert_eq!(text::<de::LifeCycleId>(&down), "SWYHOST00000001");
    assert_eq!(text::<de::SettlementDate>(&down), "1120");
    assert!(!down.has::<de::Pan>() && !down.has::<de::Track2>() && !down.has::<de::TransmissionTime>());
    assert!(!down.has::<de::OriginatorKey>(), "what is between switch and host stays there");
    let (_, mac) = codecs::mac::covered(&down).expect("a MAC").expect("a MAC");
    assert_eq!(mac, MADE_MAC);
    assert!(world.answers.is_empty() && world.owed_count() == 0);
}

#[test]
fn an_acquirer_gets_its_own_elements_back_and_cannot_inject_private_ones() {
    let mut world = World::new();
    let mut request = acquirer_request(b"0200", 5, 700);
    request.put::<de::OriginatorKey>(Opaque::text("terminals|T0000001|X|1|1|1"));
    request.put::<de::AuthorizedBy>(Opaque::text("Aissuer-510051"));
    request.put::<de::LifeCycleId>(Opaque::text("SWYFORGED000001"));
    world.acquirer_sends(request);
    let up = world.next_sent(HOST);
    assert_eq!(text::<de::OriginatorKey>(&up), "acquirer-ascii|F0000001|FACQ00000000001|000005|111112|1120");
    assert!(!up.has::<de::AuthorizedBy>() && !up.has::<de::LifeCycleId>());
    assert_eq!(text::<de::Rrn>(&up), "632410000077", "the acquirer's own");
    assert_eq!(text::<de::AdditionalData>(&up), "9203123");
    world.host_answers(&up, ResponseCode::INSUFFICIENT_FUNDS);
    let down = world.next_answer();
    assert_eq!(code(&down), ResponseCode::INSUFFICIENT_FUNDS);
    assert_eq!(text::<de::Pan>(&down), OUR_CARD);
    assert_eq!(text::<de::Acquirer>(&down), "510099");
    assert_eq!(text::<de::TransmissionTime>(&down), "1120101112");
    assert!(!down.has::<de::MacPrimary>() && !down.has::<de::MacSecondary>());
}

#[test]
fn a_repeat_gets_the_stored_answer_and_nothing_goes_up_again() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 500));
    let up = world.next_sent(HOST);
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 500));
    assert!(world.nothing_sent(HOST), "a repeat of what is under way waits with it");
    world.host_answers(&up, ResponseCode::APPROVED);
    let (first, joined) = (world.next_answer(), world.next_answer());
    assert_eq!(first.bytes(), joined.bytes());
    for _ in 0..3 {
        world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 500));
        assert_eq!(world.next_answer().bytes(), first.bytes());
    }
    assert!(world.nothing_sent(HOST));
}

#[test]
fn an_acquirer_s_repeat_is_answered_under_its_own_transmission_time() {
    let mut world = World::new();
    world.acquirer_sends(acquirer_request(b"0200", 1, 500));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    let mut repeat = acquirer_request(b"0201", 1, 500);
    repeat.put::<de::TransmissionTime>(crate::now::transmission_time(START_MS + 9_000));
    world.acquirer_sends(repeat);
    let again = world.next_answer();
    assert_eq!(text::<de::TransmissionTime>(&again), "1120101121");
    assert_eq!(text::<de::ApprovalCode>(&again), "A1B2C3");
    assert!(world.nothing_sent(HOST));
}

#[test]
fn the_same_key_with_another_amount_or_card_is_94() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 500));
    let up = world.next_sent(HOST);
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 501));
    assert_eq!(world.answer_code(), ResponseCode::DUPLICATE);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    world.terminal_sends(terminal_request(b"0200", 1, "4000120000000010", 500));
    assert_eq!(world.answer_code(), ResponseCode::DUPLICATE);
    assert!(world.nothing_sent(HOST));
}

#[test]
fn an_answer_meets_its_request_whatever_the_order() {
    let mut world = World::new();
    for stan in 1..=20 {
        world.terminal_sends(terminal_request(b"0200", stan, OUR_CARD, i64::from(stan) * 100));
    }
    let mut up: Vec<Message> = (0..20).map(|_| world.next_sent(HOST)).collect();
    up.reverse();
    for request in &up {
        world.host_answers(request, ResponseCode::APPROVED);
        let down = world.next_answer();
        let stan = down.require::<de::Stan>().expect("a STAN").0;
        assert_eq!(down.require::<de::Amount>(), Ok(Minor(i64::from(stan) * 100)));
        assert_eq!(request.require::<de::Amount>(), down.require::<de::Amount>());
    }
    world.host_answers(&up[0], ResponseCode::APPROVED);
    assert!(world.answers.is_empty(), "a second answer to one request is nobody's");
}

#[test]
fn the_host_s_two_connections_take_turns() {
    let mut world = World::new();
    let second = ConnectionId(31);
    world.connect(HOST, second);
    let mut used = HashSet::new();
    for stan in 1..=4 {
        let mut effects = Vec::new();
        let request = acquirer_request(b"0200", stan, 100);
        let message = Message::decode(&dialect("iso87-ascii"), request.encode().expect("valid")).expect("valid");
        let arrival = Arrival {
            listener: ACQUIRER,
            connection: ACQUIRER_LINE,
            header: Bytes::new(),
            message,
            place: InFlightPermit::default(),
        };
        world.core.handle(world.now, Event::FromOriginator(Box::new(arrival)), &mut effects);
        used.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Send { connection, .. } => Some(*connection),
            _ => None,
        }));
    }
    assert_eq!(used, HashSet::from([HOST_LINE, second]));
}

#[test]
fn totals_go_to_the_host_and_its_verdict_comes_back() {
    let mut world = World::new();
    let mut totals = Builder::new(&dialect("iso87-binary"), Mti::of(b"0500"));
    totals.put::<de::ProcessingCode>(ProcessingCode { transaction: 92, from: 0, to: 0 });
    totals.put::<de::Stan>(Stan(9)).put::<de::DebitsCount>(Count(3)).put::<de::DebitsAmount>(Total(12_345));
    let asked_for = MonthDay::new(11, 17).expect("a date");
    totals.put::<de::SettlementDate>(asked_for);
    at_terminal(&mut totals);
    totals.reserve_mac();
    world.terminal_sends(totals);
    let up = world.next_sent(HOST);
    assert_eq!(text::<de::DebitsAmount>(&up), "0000000000012345");
    let mut answer = host_answer(&up, ResponseCode::RECONCILE_ERROR);
    answer.put::<de::SettlementCode>(Number(2)).put::<de::DebitsAmount>(Total(12_300)).put::<de::DebitsCount>(Count(2));
    world.answer_from(HOST, HOST_LINE, answer);
    let down = world.next_answer();
    assert_eq!(down.mti().as_str(), "0510");
    assert_eq!(down.require::<de::SettlementCode>(), Ok(Number(2)));
    assert_eq!(down.require::<de::DebitsAmount>(), Ok(Total(12_300)));
    assert_eq!(code(&down), ResponseCode::RECONCILE_ERROR);
    assert_eq!(down.require::<de::SettlementDate>(), Ok(asked_for), "not the day on which the answer was given");
}

#[test]
fn totals_without_their_day_are_refused_and_not_asked_for_under_another() {
    let mut world = World::new();
    let mut totals = Builder::new(&dialect("iso87-binary"), Mti::of(b"0500"));
    totals.put::<de::Stan>(Stan(9)).put::<de::DebitsCount>(Count(3)).put::<de::DebitsAmount>(Total(12_345));
    at_terminal(&mut totals);
    totals.reserve_mac();
    world.terminal_sends(totals);
    let refused = world.next_answer();
    assert_eq!((refused.mti().as_str(), code(&refused)), ("0510", ResponseCode::FORMAT_ERROR));
}

#[test]
fn what_a_network_has_converted_goes_up_and_comes_back_in_both_currencies() {
    let mut world = World::new();
    let dollars = Currency::from_number(840);
    let rate = ConversionRate::new(9, 1).expect("a rate");
    let mut request = acquirer_request(b"0200", 5, 1_000);
    request.put::<de::Currency>(dollars).put::<de::BillingAmount>(Minor(900));
    request.put::<de::BillingRate>(rate).put::<de::BillingCurrency>(Currency::EUR);
    world.acquirer_sends(request);
    let up = world.next_sent(HOST);
    assert_eq!((up.get::<de::BillingAmount>(), up.get::<de::BillingRate>()), (Ok(Some(Minor(900))), Ok(Some(rate))));
    assert_eq!(
        (up.get::<de::Currency>(), up.get::<de::BillingCurrency>()),
        (Ok(Some(dollars)), Ok(Some(Currency::EUR)))
    );
    let mut answer = host_answer(&up, ResponseCode::PARTIAL_APPROVAL);
    answer.put::<de::Amount>(Minor(500)).put::<de::BillingAmount>(Minor(450));
    answer.put::<de::BillingRate>(rate).put::<de::BillingCurrency>(Currency::EUR);
    world.answer_from(HOST, HOST_LINE, answer);
    let down = world.next_answer();
    assert_eq!((down.get::<de::Amount>(), down.get::<de::Currency>()), (Ok(Some(Minor(500))), Ok(Some(dollars))));
    assert_eq!(
        (down.get::<de::BillingAmount>(), down.get::<de::BillingRate>()),
        (Ok(Some(Minor(450))), Ok(Some(rate)))
    );
    assert_eq!(down.get::<de::BillingCurrency>(), Ok(Some(Currency::EUR)));
}
