//! The orderly shutdown: requests under way end, no new request is sent.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(5);

#[test]
fn what_is_under_way_gets_its_answer_and_nothing_new_is_sent() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let under_way = world.next_sent(HOST);
    world.core.drain();
    assert!(!world.core.is_ready(), "no more traffic, please");
    let before = world.journal.len();
    world.terminal_sends(terminal_request(b"0200", 2, OUR_CARD, 200));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert!(world.nothing_sent(HOST) && world.owed_count() == 0 && world.journal.len() == before);
    assert_eq!(world.core.under_way(), 1);
    world.host_answers(&under_way, ResponseCode::APPROVED);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.core.under_way(), 0);
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED, "a repeat gets what is known");

    let mut world = world.restart();
    world.answers.clear();
    world.terminal_sends(terminal_request(b"0201", 2, OUR_CARD, 200));
    assert_eq!(text::<de::Amount>(&world.next_sent(HOST)), "000000000200", "what was turned away may come again");
}

#[test]
fn without_an_answer_the_deadline_ends_it_with_its_reversal_owed() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.core.drain();
    assert!(world.core.drained_within() > TIMEOUT, "no request is left behind");
    world.pass(world.core.drained_within());
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert_eq!((world.core.under_way(), world.owed_count()), (0, 1));
    let mut world = world.restart();
    assert_eq!((world.owed_count(), world.next_sent(HOST).mti().as_str()), (1, "0421"));
}

#[test]
fn a_reversal_is_still_taken() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 8, OUR_CARD, 900));
    let up = world.next_sent(HOST);
    world.host_answers(&up, ResponseCode::APPROVED);
    world.next_answer();
    world.core.drain();
    world.terminal_sends(terminal_reversal(8, 900));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!((world.core.under_way(), world.owed_count()), (0, 1), "promised, so nothing to wait for");
}
