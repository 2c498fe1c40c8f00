use super::*;

/// A foreign card at our terminal, approved by its issuer; gives the 1200 to the issuer and the 0220 to the host.
fn approved(world: &mut World, stan: u32, minor: i64) -> (Message, Message) {
    world.terminal_sends(terminal_request(b"0200", stan, FOREIGN_CARD, minor));
    let request = world.next_sent(ISSUER);
    world.issuer_answers(&request, 0);
    (request, world.next_sent(HOST))
}

#[test]
fn the_issuer_is_asked_in_1993() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 123, FOREIGN_CARD, 1250));
    let up = world.next_sent(ISSUER);
    let golden = [
        ("MTI", up.mti().to_string(), "1200"),
        ("DE2", text::<de::Pan>(&up), FOREIGN_CARD),
        ("DE3", text::<de::ProcessingCode>(&up), "000000"),
        ("DE4", text::<de::Amount>(&up), "000000001250"),
        ("DE7", text::<de::TransmissionTime>(&up), "1120101112"),
        ("DE12", text::<de::v93::LocalDateTime>(&up), "261120111112"),
        ("DE14", text::<de::Expiry>(&up), "3012"),
        ("DE15", text::<de::v93::SettlementDate>(&up), "261120"),
        ("DE22", text::<de::v93::PosData>(&up), "510101513001"),
        ("DE24", text::<de::FunctionCode>(&up), "200"),
        ("DE26", text::<de::v93::BusinessCode>(&up), "5411"),
        ("DE32", text::<de::Acquirer>(&up), "400012"),
        ("DE41", text::<de::TerminalId>(&up), "T0000001"),
        ("DE42", text::<de::MerchantId>(&up), "SWYD00000000001"),
        ("DE49", text::<de::Currency>(&up), "978"),
    ];
    for (element, found, expected) in golden {
        assert_eq!(found, expected, "{element}");
    }
    let present: Vec<u8> = up.elements().collect();
    assert_eq!(present, [2, 3, 4, 7, 11, 12, 14, 15, 22, 24, 26, 32, 35, 37, 41, 42, 49, 52, 55], "and nothing else");
    assert_eq!(up.require::<de::PinBlock>().expect("a block").expose(), TRANSLATED);
}

#[test]
fn action_codes_come_back_as_1987_codes() {
    for (action, expected) in [(116, "51"), (101, "54"), (117, "55"), (106, "75"), (909, "96"), (911, "91")] {
        let mut world = World::new();
        world.terminal_sends(terminal_request(b"0200", 1, FOREIGN_CARD, 100));
        let up = world.next_sent(ISSUER);
        world.issuer_answers(&up, action);
        assert_eq!(world.answer_code().as_str(), expected);
        assert_eq!(world.owed_count(), 0, "a decline owes nobody anything");
    }
}

#[test]
fn an_approval_is_owed_to_the_host_before_the_terminal_hears_of_it() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 9, FOREIGN_CARD, 1250));
    let request = world.next_sent(ISSUER);
    let before = world.journal.len();
    world.issuer_answers(&request, 0);
    let kinds = format!("{:?}", &world.journal[before..]);
    assert!(kinds.starts_with("[Owed(") && kinds.contains("Ended("), "{kinds}");
    let advice = world.next_sent(HOST);
    assert_eq!(advice.mti().as_str(), "0220");
    assert_eq!(text::<de::OriginatorKey>(&advice), "terminals|T0000001|SWYD00000000001|000009|111112|1120");
    assert_eq!(text::<de::AuthorizedBy>(&advice), "Aissuer-510051");
    assert_eq!(text::<de::ApprovalCode>(&advice), "F00D42");
    assert_eq!(code(&advice), ResponseCode::APPROVED);
    assert_eq!(text::<de::Amount>(&advice), "000000001250");
    assert_eq!(text::<de::SettlementDate>(&advice), "1120");
    assert_eq!(text::<de::Pan>(&advice), FOREIGN_CARD);
    assert!(!advice.has::<de::Track2>() && !advice.has::<de::PinBlock>());
    let icc = advice.require::<de::Icc>().expect("chip data");
    assert_eq!(icc.bytes(), [0x9F, 0x36, 2, 0, 1], "tag 5A is taken out");
    let life_cycle = text::<de::LifeCycleId>(&advice);
    assert!(crate::life_cycle::LifeCycleId::claimed(&life_cycle).is_some());
    let down = world.next_answer();
    assert_eq!(text::<de::LifeCycleId>(&down), life_cycle);
    assert_eq!(text::<de::ApprovalCode>(&down), "F00D42");
    world.answer_from(HOST, HOST_LINE, host_answer(&advice, ResponseCode::APPROVED));
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn a_partial_approval_is_owed_at_the_approved_amount() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 9, FOREIGN_CARD, 1000));
    let request = world.next_sent(ISSUER);
    let mut answer = Builder::answer_to(&request);
    answer.copy::<de::TransmissionTime>(&request).copy::<de::Stan>(&request).put::<de::Amount>(Minor(600));
    answer.put::<de::v93::ActionCode>(Number(2));
    world.answer_from(ISSUER, ISSUER_LINE, answer);
    let down = world.next_answer();
    assert_eq!((code(&down), down.require::<de::Amount>()), (ResponseCode::PARTIAL_APPROVAL, Ok(Minor(600))));
    assert_eq!(world.next_sent(HOST).require::<de::Amount>(), Ok(Minor(600)));
}

#[test]
fn a_reversal_goes_to_the_issuer_and_behind_the_advice_to_the_host() {
    let mut world = World::new();
    let (request, advice) = approved(&mut world, 9, 1250);
    world.next_answer();
    world.terminal_sends(terminal_reversal(9, 1250));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let reversal = world.next_sent(ISSUER);
    assert_eq!(reversal.mti().as_str(), "1420");
    assert_eq!(text::<de::FunctionCode>(&reversal), "400");
    assert_eq!(text::<de::v93::MessageReason>(&reversal), "4000");
    let stan = text::<de::Stan>(&request);
    assert_eq!(text::<de::OriginalData93>(&reversal), format!("1200{stan}26112011111206400012"));
    assert!(!reversal.has::<de::v93::ActionCode>(), "a reason is no action code");
    assert!(world.nothing_sent(HOST), "the host's reversal does not overtake its advice");
    world.answer_from(HOST, HOST_LINE, host_answer(&advice, ResponseCode::APPROVED));
    let at_host = world.next_sent(HOST);
    assert_eq!(at_host.mti().as_str(), "0420");
    assert_eq!(text::<de::OriginatorKey>(&at_host), named(&advice));
    assert_eq!(text::<de::AuthorizedBy>(&at_host), "Aissuer-510051");
    assert_eq!(text::<de::LifeCycleId>(&at_host), text::<de::LifeCycleId>(&advice));
    world.answer_from(HOST, HOST_LINE, host_answer(&at_host, ResponseCode::APPROVED));
    let mut acknowledged = Builder::answer_to(&reversal);
    acknowledged.copy::<de::TransmissionTime>(&reversal).copy::<de::Stan>(&reversal);
    acknowledged.put::<de::v93::ActionCode>(Number(400));
    world.answer_from(ISSUER, ISSUER_LINE, acknowledged);
    assert_eq!(world.owed_count(), 0);
}

#[test]
fn a_time_out_at_the_issuer_concerns_the_issuer_alone() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 9, FOREIGN_CARD, 1250));
    world.next_sent(ISSUER);
    world.pass(Duration::from_secs(5));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    let reversal = world.next_sent(ISSUER);
    assert_eq!((reversal.mti().as_str(), text::<de::v93::MessageReason>(&reversal).as_str()), ("1420", "4021"));
    assert!(world.nothing_sent(HOST));
    world.pass(Duration::from_secs(6));
    assert_eq!(world.sent[&ISSUER].iter().filter(|m| m.mti().as_str() == "1421").count(), 1);
}

#[test]
fn a_completion_is_acknowledged_at_once_and_owed_to_issuer_and_host() {
    let mut world = World::new();
    let mut preauth = terminal_request(b"0100", 9, FOREIGN_CARD, 5000);
    preauth.put::<de::ConditionCode>(Number(6));
    world.terminal_sends(preauth);
    let request = world.next_sent(ISSUER);
    assert_eq!((request.mti().as_str(), text::<de::FunctionCode>(&request).as_str()), ("1100", "101"));
    world.issuer_answers(&request, 0);
    let answer = world.next_answer();
    assert!(world.nothing_sent(HOST), "an authorization is no sale");
    let completion = |mti| {
        let mut message = terminal_request(mti, 10, FOREIGN_CARD, 4200);
        message.put::<de::LocalTime>(time(18, 30, 0));
        message.copy::<de::Rrn>(&answer).copy::<de::ApprovalCode>(&answer);
        message.remove::<de::PinBlock>();
        message
    };
    world.terminal_sends(completion(b"0220"));
    let acknowledged = world.next_answer();
    assert_eq!((acknowledged.mti().as_str(), code(&acknowledged)), ("0230", ResponseCode::APPROVED));
    let to_issuer = world.next_sent(ISSUER);
    assert_eq!((to_issuer.mti().as_str(), text::<de::FunctionCode>(&to_issuer).as_str()), ("1220", "201"));
    let original = format!("1100{}26112011111206400012", text::<de::Stan>(&request));
    assert_eq!(text::<de::OriginalData93>(&to_issuer), original, "with the authorization's local time");
    assert_eq!(text::<de::v93::LocalDateTime>(&to_issuer), "261120183000");
    let to_host = world.next_sent(HOST);
    assert_eq!(text::<de::Amount>(&to_host), "000000004200");
    assert_eq!(text::<de::OriginatorKey>(&to_host), "terminals|T0000001|SWYD00000000001|000010|183000|1120");
    assert_eq!(text::<de::ReferredKey>(&to_host), "terminals|T0000001|SWYD00000000001|000009|111112|1120|1");
    assert_eq!(text::<de::LifeCycleId>(&to_host), text::<de::LifeCycleId>(&answer), "one life cycle");
    assert_eq!(text::<de::AuthorizedBy>(&to_host), "Aissuer-510051");
    world.terminal_sends(completion(b"0221"));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.owed_count(), 2, "a repeat owes nothing more");
}

/// An approved authorization of our card – as it went to the host, and its answer – and a completion that says nothing
/// of it yet.
fn authorized_on_us() -> (World, Message, Message, Builder) {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0100", 9, OUR_CARD, 5000));
    let request = world.next_sent(HOST);
    world.host_answers(&request, ResponseCode::APPROVED);
    let answer = world.next_answer();
    let mut completion = Builder::new(&dialect("iso87-binary"), Mti::of(b"0220"));
    money(&mut completion, 10, 4200);
    at_terminal(&mut completion);
    (world, request, answer, completion)
}

#[test]
fn an_on_us_completion_goes_to_the_host_alone_with_its_authorization_named() {
    let (mut world, request, answer, mut completion) = authorized_on_us();
    completion.copy::<de::Rrn>(&answer).copy::<de::ApprovalCode>(&answer).reserve_mac();
    world.terminal_sends(completion);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let advice = world.next_sent(HOST);
    assert_eq!(text::<de::Pan>(&advice), OUR_CARD, "from the authorization: the completion had no card");
    assert_eq!(text::<de::ReferredKey>(&advice), named(&request));
    assert_eq!(text::<de::Rrn>(&advice), text::<de::Rrn>(&request));
    assert!(!advice.has::<de::AuthorizedBy>());
    assert!(world.nothing_sent(ISSUER));
}

/// Otherwise the host ends the wrong one of two holds that stand under one reference number.
#[test]
fn a_completion_with_another_approval_code_names_no_authorization() {
    let (mut world, _, answer, mut completion) = authorized_on_us();
    completion.put::<de::Pan>(Pan::from_digits(OUR_CARD.as_bytes()).expect("a PAN"));
    completion.copy::<de::Rrn>(&answer).put::<de::ApprovalCode>(ApprovalCode::new("999999").expect("a code"));
    completion.reserve_mac();
    world.terminal_sends(completion);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let advice = world.next_sent(HOST);
    assert!(!advice.has::<de::ReferredKey>() && !advice.has::<de::LifeCycleId>());
    assert_eq!(text::<de::ApprovalCode>(&advice), "999999");
}

#[test]
fn a_foreign_acquirer_s_foreign_card_is_not_ours_to_route() {
    let mut world = World::new();
    let mut request = acquirer_request(b"0200", 1, 100);
    request.put::<de::Pan>(Pan::from_digits(FOREIGN_CARD.as_bytes()).expect("a PAN"));
    world.acquirer_sends(request);
    assert_eq!(world.answer_code(), ResponseCode::NO_ROUTE);
    assert!(world.nothing_sent(ISSUER));
}
