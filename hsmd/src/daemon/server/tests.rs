use hsm::wire::put_request;

use super::*;
use crate::config::Limits;
use crate::daemon::queue::{JobReceiver, TakeResult, queue};

/// A connection of the operator's socket, and a queue whose jobs nobody serves.
async fn connected(socket: &Arc<RoleSocket>) -> UnixStream {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let served = Arc::clone(socket);
    socket.connections.spawn(async move { serve_connection(theirs, &served).await.unwrap() });
    ours.write_all(&GREETING).await.unwrap();
    ours.read_exact(&mut [0; GREETING.len() + 1]).await.unwrap();
    ours
}

fn socket(job_sender: JobSender) -> Arc<RoleSocket> {
    let (stop, connections) = (CancellationToken::new(), TaskTracker::new());
    let data_keys = BTreeMap::new();
    Arc::new(RoleSocket {
        role: Role::Operator,
        uids: Vec::new(),
        data_keys,
        max_unanswered: 16,
        job_sender,
        stop,
        connections,
    })
}

async fn take(job_receiver: &JobReceiver, count: usize) -> Vec<Job> {
    let mut jobs = Vec::new();
    timeout(Duration::from_secs(5), async {
        while jobs.len() < count {
            assert!(!matches!(job_receiver.take(count, Duration::ZERO, &mut jobs), TakeResult::Ended));
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    jobs
}

#[tokio::test]
async fn what_was_read_before_the_end_is_answered_and_then_the_connection_closes() {
    let (job_sender, job_receiver) = queue(&Limits::default());
    let socket = socket(job_sender);
    let mut client = connected(&socket).await;
    let mut requests = Vec::new();
    put_request(&mut requests, 1, 5_000_000, &Verb::TransportKcv);
    put_request(&mut requests, 2, 5_000_000, &Verb::TransportKcv);
    client.write_all(&requests).await.unwrap();
    let jobs = take(&job_receiver, 2).await;

    socket.stop.cancel();
    socket.connections.close();
    assert!(
        timeout(Duration::from_millis(50), socket.connections.wait()).await.is_err(),
        "two answers are still to come"
    );
    for job in jobs {
        job.answer(Ok(Answer::TransportKcv("A1B2C3".into())));
    }
    let mut expected = Vec::new();
    // no module is open here, so the connection began with the notice that no requests are taken
    wire::put_notice(&mut expected, false);
    for id in [1, 2] {
        wire::put_answer(&mut expected, id, &Ok(Answer::TransportKcv("A1B2C3".into())));
    }
    let mut answers = Vec::new();
    timeout(Duration::from_secs(5), client.read_to_end(&mut answers)).await.unwrap().unwrap();
    assert_eq!(answers, expected);
    timeout(Duration::from_secs(5), socket.connections.wait()).await.unwrap();
}
