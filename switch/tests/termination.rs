//! Signals to the process of the test: alone in a file, because they would reach every test in it.

use nix::sys::signal::{Signal, raise};
use std::time::Duration;
use switch::shell::Termination;

#[tokio::test]
async fn the_first_signal_asks_for_good_order_and_the_second_for_an_end_at_once() {
    let Termination { in_good_order, at_once } = Termination::asked_by_signals().expect("handlers");
    let soon = Duration::from_secs(5);
    raise(Signal::SIGTERM).expect("sent");
    tokio::time::timeout(soon, in_good_order.cancelled()).await.expect("heard");
    assert!(!at_once.is_cancelled());
    raise(Signal::SIGTERM).expect("sent");
    tokio::time::timeout(soon, at_once.cancelled()).await.expect("heard again");
}
