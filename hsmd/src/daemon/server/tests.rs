use hsm::wire::put_request;

use super::*;
use crate::config::Limits;
use crate::daemon::queue::{Outlet, Taken, queue};

/// A connection of the operator's socket, and the queue behind it with nobody at work.
async fn connected(desk: &Arc<Desk>) -> UnixStream {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let served = Arc::clone(desk);
    desk.connections.spawn(async move { converse(theirs, &served).await.unwrap() });
    ours.write_all(&GREETING).await.unwrap();
    ours.read_exact(&mut [0; GREETING.len() + 1]).await.unwrap();
    ours
}

fn desk(intake: Intake) -> Arc<Desk> {
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let data_keys = BTreeMap::new();
    Arc::new(Desk { role: Role::Operator, uids: Vec::new(), data_keys, unanswered: 16, intake, stop, connections })
}

async fn take(outlet: &Outlet, count: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    timeout(Duration::from_secs(5), async {
        while jobs.len() < count {
            assert!(!matches!(outlet.take(count, Duration::ZERO, &mut jobs), Taken::Ended));
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    jobs
}

#[tokio::test]
async fn what_was_read_before_the_end_is_answered_and_then_the_connection_closes() {
    let (intake, outlet) = queue(&Limits::default());
    let desk = desk(intake);
    let mut client = connected(&desk).await;
    let mut requests = Vec::new();
    put_request(&mut requests, 1, 5_000_000, &Verb::TransportKcv);
    put_request(&mut requests, 2, 5_000_000, &Verb::TransportKcv);
    client.write_all(&requests).await.unwrap();
    let jobs = take(&outlet, 2).await;

    desk.stop.cancel();
    desk.connections.close();
    assert!(
        timeout(Duration::from_millis(50), desk.connections.wait()).await.is_err(),
        "two answers are still to come"
    );
    for job in jobs {
        job.answer(Ok(Answer::TransportKcv("A1B2C3".into())));
    }
    let mut expected = Vec::new();
    // nobody has opened a module here, so the connection began with that notice
    wire::put_notice(&mut expected, false);
    for id in [1, 2] {
        wire::put_answer(&mut expected, id, &Ok(Answer::TransportKcv("A1B2C3".into())));
    }
    let mut answers = Vec::new();
    timeout(Duration::from_secs(5), client.read_to_end(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answers, expected);
    timeout(Duration::from_secs(5), desk.connections.wait()).await.unwrap();
}
