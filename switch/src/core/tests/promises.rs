//! Reversals and advices that must be in store and forward before an answer is sent: if one cannot be queued, no answer
//! that relies on it is sent.

use super::*;
use crate::destination::HeldStan;

const TIMEOUT: Duration = Duration::from_secs(5);

/// Takes all STANs of the destination, as if unacknowledged messages held them, until the result is dropped.
#[must_use]
fn use_up_stans(world: &mut World, destination: DestinationId) -> Vec<HeldStan> {
    std::iter::from_fn(|| world.core.parts.destinations.stan(destination)).collect()
}

#[test]
fn a_time_out_owes_its_reversal_even_when_no_stan_is_free() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let up = world.next_sent(HOST);
    let _held = use_up_stans(&mut world, HOST);
    world.pass(TIMEOUT);
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    let reversal = world.next_business(HOST);
    assert_eq!((reversal.mti().as_str(), world.owed_count()), ("0420", 1));
    assert_eq!(reversal.require::<de::Stan>(), up.require::<de::Stan>(), "the one that the request gave back");
}

#[test]
fn what_was_unanswered_at_a_restart_is_reversed_even_when_no_stan_is_free() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    let sent = world.journal.iter().find(|record| matches!(record, Record::Sent(_))).expect("journaled").clone();
    let mut restarted = World::without_destinations(config(), Vec::new());
    let _held = use_up_stans(&mut restarted, HOST);
    let promised = restarted.core.restore(restarted.now, vec![sent]);
    let [Effect::Journal(Record::BusinessDate(_)), rest @ ..] = &promised[..] else { panic!("{promised:?}") };
    let [Effect::Journal(Record::Owed(_)), Effect::Journal(Record::Ended(_)), Effect::Keep(_)] = rest else {
        panic!("{rest:?}")
    };
}

#[test]
fn without_its_reversal_a_time_out_is_not_answered_and_the_next_start_tries_again() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.core.exchange.damage_messages();
    world.pass(TIMEOUT);
    assert!(world.answers.is_empty(), "91 would say that the switch takes care of it");
    assert_eq!(world.owed_count(), 0);
    assert!(!world.journal.iter().any(|record| matches!(record, Record::Ended(_))), "it stays open in the journal");
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert!(world.answers.is_empty(), "nor is its repeat");

    let mut world = world.restart();
    assert_eq!(world.owed_count(), 1);
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
}

#[test]
fn an_approval_that_the_host_cannot_be_told_of_is_taken_back_at_its_issuer() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, FOREIGN_CARD, 100));
    let up = world.next_sent(ISSUER);
    let _held = use_up_stans(&mut world, HOST);
    world.issuer_answers(&up, 0);
    assert_eq!(world.answer_code(), ResponseCode::ISSUER_INOPERATIVE);
    assert!(world.nothing_sent(HOST));
    assert_eq!(world.next_sent(ISSUER).mti().as_str(), "1420");
}

#[test]
fn an_acquired_sale_is_not_half_reversed() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, FOREIGN_CARD, 100));
    let up = world.next_sent(ISSUER);
    world.issuer_answers(&up, 0);
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    let held = use_up_stans(&mut world, HOST);
    world.terminal_sends(terminal_reversal(1, 100));
    assert!(world.answers.is_empty() && world.nothing_sent(ISSUER), "not acknowledged, so the terminal keeps it");
    drop(held);
    world.terminal_sends(terminal_reversal(1, 100));
    assert_eq!(world.answer_code(), ResponseCode::APPROVED);
    assert_eq!(world.next_sent(ISSUER).mti().as_str(), "1420");
    assert_eq!(world.owed_count(), 3, "the host's sale and its reversal, and the issuer's reversal");
}

/// A terminal may repeat before the disk has synced.
#[test]
fn a_repeat_is_not_answered_before_its_original_s_promise_is_kept() {
    let mut world = World::new();
    world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
    world.next_sent(HOST);
    world.pass(TIMEOUT);
    assert_eq!((world.answer_code(), world.waited), (ResponseCode::ISSUER_INOPERATIVE, 0), "behind its own promise");
    world.terminal_sends(terminal_request(b"0201", 1, OUR_CARD, 100));
    assert_eq!((world.answer_code(), world.waited), (ResponseCode::ISSUER_INOPERATIVE, 1));
    world.terminal_sends(terminal_request(b"0200", 2, FOREIGN_CARD, 100));
    let up = world.next_sent(ISSUER);
    world.issuer_answers(&up, 0);
    assert_eq!((world.answer_code(), world.waited), (ResponseCode::APPROVED, 1));
    world.terminal_sends(terminal_request(b"0201", 2, FOREIGN_CARD, 100));
    assert_eq!((world.answer_code(), world.waited), (ResponseCode::APPROVED, 2));
    for waited in [3, 4] {
        world.terminal_sends(terminal_reversal(2, 100));
        assert_eq!((world.answer_code(), world.waited), (ResponseCode::APPROVED, waited));
    }
}

/// After a power failure an answer without its record would be reversed.
#[test]
fn where_answers_outlive_a_power_failure_their_record_is_a_promise() {
    for durability in [crate::config::Durability::Process, crate::config::Durability::Power] {
        let mut config = config();
        config.listeners[TERMINALS.0].durability = durability;
        let mut world = World::without_destinations(config, Vec::new());
        world.connect(HOST, HOST_LINE);
        world.terminal_sends(terminal_request(b"0200", 1, OUR_CARD, 100));
        let up = world.next_sent(HOST);
        assert_eq!(world.promised, None);
        world.host_answers(&up, ResponseCode::APPROVED);
        let is_promised = matches!(&world.promised, Some(Record::Ended(_)));
        assert_eq!(is_promised, durability == crate::config::Durability::Power);
        assert_eq!(world.answer_code(), ResponseCode::APPROVED);
        // an issuer that is asked by a switch that forgets it would not be told of the reversal
        world.connect(ISSUER, ISSUER_LINE);
        world.terminal_sends(terminal_request(b"0200", 2, FOREIGN_CARD, 100));
        let is_promised = matches!(&world.promised, Some(Record::Sent(_)));
        assert_eq!(is_promised, durability == crate::config::Durability::Power);
    }
}
