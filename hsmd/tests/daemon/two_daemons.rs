//! Two daemons of one token: clients spread over them, and one serves while the other does not.
use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_share_the_work_and_take_turns_at_recycling() {
    let mut installation = Installation::raised(short_lived);
    installation.start_second();
    let (first, second, both) =
        (installation.client("host"), installation.second_client("host"), installation.client_of_both("host"));
    up(&first).await;
    up(&second).await;
    many_chip_reads(&both).await;
    many_chip_reads(&both).await;
    for daemon in [&first, &second] {
        let health = daemon.health().await.unwrap();
        assert!(health.initialisations >= 2, "{health:?}");
        assert_eq!(health.state, ModuleState::Up);
    }
    // they respected the reopen lock: no two reopenings overlap
    let opened = |log: &str| -> Vec<(jiff::Timestamp, jiff::Timestamp)> {
        let log = installation.read(log);
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let openings = entries.filter(|entry| entry["why"] == "recycle");
        openings
            .map(|entry| {
                let end: jiff::Timestamp = entry["timestamp"].as_str().unwrap().parse().unwrap();
                let took = Duration::from_micros(entry["took_us"].as_u64().unwrap());
                (end.checked_sub(took).unwrap(), end)
            })
            .collect()
    };
    for (begin, end) in opened("hsmd.log") {
        for (other_begin, other_end) in opened("hsmd-b.log") {
            assert!(end <= other_begin || other_end <= begin, "both opened at {begin}");
        }
    }
}

#[tokio::test]
async fn with_two_daemons_one_may_die_at_any_time() {
    let mut installation = Installation::raised(same);
    installation.start_second();
    let both = installation.client_of_both("host");
    up(&installation.client("host")).await;
    up(&installation.second_client("host")).await;
    let index = both.pan_index(&[pan(FPAN)]).await.unwrap();
    for round in 0..4 {
        if round % 2 == 0 {
            installation.kill()
        } else {
            installation.kill_second()
        }
        let begun = Instant::now();
        for _ in 0..20 {
            assert_eq!(both.pan_index(&[pan(FPAN)]).await.unwrap(), index);
        }
        assert!(begun.elapsed() < Duration::from_secs(1), "the other one serves meanwhile");
        if round % 2 == 0 {
            installation.start()
        } else {
            installation.start_second()
        }
        up(&installation.client("host")).await;
        up(&installation.second_client("host")).await;
    }
}

/// How many of forty calls at once are answered.
async fn indexes_answered(host: &Client) -> usize {
    let pans = [pan(FPAN)];
    let calls = (0..40).map(|_| host.pan_index(&pans));
    futures::future::join_all(calls).await.into_iter().filter(Result::is_ok).count()
}

#[tokio::test]
async fn a_daemon_that_stands_still_gets_no_calls_until_it_answers_again() {
    let mut installation = Installation::raised(same);
    installation.start_second();
    let both = installation.client_of_both("host");
    up(&installation.client("host")).await;
    up(&installation.second_client("host")).await;
    assert_eq!(indexes_answered(&both).await, 40);
    installation.freeze();
    // repeatable calls that it holds go to the other one: no caller waits until the deadline of 5 s
    let begun = Instant::now();
    assert_eq!(indexes_answered(&both).await, 40);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // a call that must not be repeated goes to the daemon that answers
    for _ in 0..20 {
        let mut check = chip_read(FPAN);
        check.funding = None;
        assert_eq!(both.check_card(check).await.unwrap().chip, Some(ChipOutcome::Wrong));
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    installation.thaw();
    // its notice says that it takes requests again, and then it is the only daemon left
    tokio::time::sleep(Duration::from_millis(500)).await;
    installation.kill_second();
    assert_eq!(indexes_answered(&both).await, 40);
}
