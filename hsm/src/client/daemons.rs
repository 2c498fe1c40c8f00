//! The daemons of one token as the client sees them, and which of them gets a call.
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::HsmError;
use crate::verb::{Answer, Verb};

/// Calls that may wait for one daemon's socket; further calls end as `Busy`.
const WAITING: usize = 4096;

/// A request on its way to a connection's task.
#[derive(Debug)]
pub(super) struct Call {
    pub verb: Verb,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Reply>,
}

/// How a call ended at one daemon.
#[derive(Debug)]
pub(super) enum Reply {
    Answered(Result<Answer, HsmError>),
    /// The call was never sent, or may be repeated without harm: it goes to another daemon.
    Returned(Verb),
}

/// How fit a daemon is to take calls, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Serving = 0,
    /// The daemon sent a notice that it takes no requests for now: it is about to reopen its module, or cannot open it.
    Pausing = 1,
    /// Connected, but answers are overdue.
    Stalled = 2,
    /// Not connected; a restart may be under way.
    Away = 3,
    /// Not connected for longer than a restart takes.
    Gone = 4,
}

/// State of one daemon's connection: written by the connection's task, read by callers and by the other tasks.
#[derive(Debug)]
pub(super) struct DaemonState {
    condition: AtomicU8,
    /// Calls given to the task and not yet answered.
    unanswered: AtomicU32,
}

impl DaemonState {
    pub(super) fn set(&self, condition: Condition) {
        self.condition.store(condition as u8, Ordering::Relaxed);
    }

    pub(super) fn condition(&self) -> Condition {
        match self.condition.load(Ordering::Relaxed) {
            0 => Condition::Serving,
            1 => Condition::Pausing,
            2 => Condition::Stalled,
            3 => Condition::Away,
            _ => Condition::Gone,
        }
    }
}

/// One daemon: the queue to its connection's task, and the connection's state.
#[derive(Debug)]
struct Daemon {
    calls: mpsc::Sender<Call>,
    state: Arc<DaemonState>,
}

/// All daemons of a token. The task of each holds the others' states, not their queues: so a task ends when the last client
/// handle is dropped.
#[derive(Debug)]
pub(super) struct Daemons {
    daemons: Vec<Daemon>,
    turn: AtomicUsize,
}

/// Input of the task that owns the connection to one daemon.
pub(super) struct ConnectionTask {
    pub calls: mpsc::Receiver<Call>,
    pub own: Arc<DaemonState>,
    pub others: Vec<Arc<DaemonState>>,
}

impl ConnectionTask {
    /// Whether another daemon serves, so that calls can go there.
    pub(super) fn another_serves(&self) -> bool {
        self.others.iter().any(|daemon| daemon.condition() == Condition::Serving)
    }
}

impl Daemons {
    /// `count` daemons, and the input of the connection's task of each.
    pub(super) fn new(count: usize) -> (Self, Vec<ConnectionTask>) {
        let (daemons, queues): (Vec<Daemon>, Vec<_>) = (0..count)
            .map(|_| {
                let (calls, queue) = mpsc::channel(WAITING);
                let state =
                    DaemonState { condition: AtomicU8::new(Condition::Away as u8), unanswered: AtomicU32::new(0) };
                (Daemon { calls, state: Arc::new(state) }, queue)
            })
            .unzip();
        let tasks = queues.into_iter().enumerate().map(|(own, calls)| {
            let others =
                daemons.iter().enumerate().filter(|(n, _)| *n != own).map(|(_, daemon)| Arc::clone(&daemon.state));
            ConnectionTask { calls, own: Arc::clone(&daemons[own].state), others: others.collect() }
        });
        let tasks = tasks.collect();
        (Self { daemons, turn: AtomicUsize::new(0) }, tasks)
    }

    /// The daemon in the best condition; among equals the one with the fewest unanswered calls; among those by turns.
    fn pick(&self) -> Option<&Daemon> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.daemons.len();
        let from_turn = (0..count).map(|n| &self.daemons[(turn + n) % count]);
        from_turn.min_by_key(|daemon| (daemon.state.condition(), daemon.state.unanswered.load(Ordering::Relaxed)))
    }

    /// Sends a call to one daemon and waits for its reply.
    pub(super) async fn put(&self, verb: Verb, deadline: Instant) -> Reply {
        let refuse = |error| Reply::Answered(Err(error));
        let Some(daemon) = self.pick() else { return refuse(HsmError::Unavailable("no socket is configured")) };
        let (reply, answer) = oneshot::channel();
        let counted = CountedCall::new(&daemon.state.unanswered);
        if let Err(refused) = daemon.calls.try_send(Call { verb, deadline, reply }) {
            return refuse(match refused {
                mpsc::error::TrySendError::Full(_) => HsmError::Busy,
                mpsc::error::TrySendError::Closed(_) => HsmError::Unavailable(ENDED),
            });
        }
        let reply = tokio::time::timeout_at(deadline, answer).await;
        drop(counted);
        match reply {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => refuse(HsmError::Unavailable(ENDED)),
            Err(_) => refuse(HsmError::Unavailable("no answer before the deadline")),
        }
    }
}

const ENDED: &str = "the connection's task has ended";

/// Counts a call for as long as its caller waits, also when that caller is dropped.
struct CountedCall<'a>(&'a AtomicU32);

impl<'a> CountedCall<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for CountedCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(daemons: &Daemons, daemon: &Daemon) -> usize {
        daemons.daemons.iter().position(|each| std::ptr::eq(each, daemon)).unwrap()
    }

    #[test]
    fn a_call_goes_where_it_is_served_soonest() {
        let (daemons, tasks) = Daemons::new(3);
        tasks[0].own.set(Condition::Pausing);
        tasks[2].own.set(Condition::Serving);
        assert_eq!(index_of(&daemons, daemons.pick().unwrap()), 2, "one serves");
        tasks[1].own.set(Condition::Serving);
        daemons.daemons[2].state.unanswered.store(5, Ordering::Relaxed);
        assert_eq!(index_of(&daemons, daemons.pick().unwrap()), 1, "fewer under way");
        tasks[2].own.set(Condition::Stalled);
        daemons.daemons[1].state.unanswered.store(50, Ordering::Relaxed);
        assert_eq!(index_of(&daemons, daemons.pick().unwrap()), 1, "better many under way than none answered");
        tasks[1].own.set(Condition::Gone);
        tasks[2].own.set(Condition::Gone);
        assert_eq!(index_of(&daemons, daemons.pick().unwrap()), 0, "a pause is short");
    }

    #[test]
    fn equals_take_turns() {
        let (daemons, tasks) = Daemons::new(2);
        tasks.iter().for_each(|task| task.own.set(Condition::Serving));
        let taken: Vec<usize> = (0..4).map(|_| index_of(&daemons, daemons.pick().unwrap())).collect();
        assert_eq!(taken, [0, 1, 0, 1]);
    }
}
