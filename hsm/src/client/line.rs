//! The lines to the daemons, and which of them a call takes.
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::error::HsmError;
use crate::verb::{Answer, Verb};

/// Calls that may wait for one daemon's socket; beyond it callers are told `Busy`.
const WAITING: usize = 4096;

/// A request on its way to a connection's task.
#[derive(Debug)]
pub(super) struct Call {
    pub verb: Verb,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Reply>,
}

/// What becomes of a call at one daemon.
#[derive(Debug)]
pub(super) enum Reply {
    Answered(Result<Answer, HsmError>),
    /// It was never sent, or can be sent again without harm: another daemon may have it.
    Returned(Verb),
}

/// How a daemon takes calls, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Condition {
    Serving = 0,
    /// It asks to be spared for a moment: it is about to open its module anew, or cannot.
    Pausing = 1,
    /// Connected, but it owes answers and gives none.
    Stalled = 2,
    /// Not connected; a restart may be under way.
    Away = 3,
    /// Not connected for longer than a restart takes.
    Gone = 4,
}

/// What a connection's task lets others see of it.
#[derive(Debug)]
pub(super) struct LineState {
    condition: AtomicU8,
    /// Calls given to the task and not yet answered.
    unanswered: AtomicU32,
}

impl LineState {
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

/// One daemon, from the callers' side.
#[derive(Debug)]
struct Line {
    calls: mpsc::Sender<Call>,
    state: Arc<LineState>,
}

/// All daemons of a token. The task of each knows the others' states, not their queues: nothing keeps a task alive but the
/// handles.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    turn: AtomicUsize,
}

/// What a connection's task is given.
pub(super) struct Desk {
    pub calls: mpsc::Receiver<Call>,
    pub own: Arc<LineState>,
    pub others: Vec<Arc<LineState>>,
}

impl Desk {
    /// Whether a call would fare better elsewhere.
    pub(super) fn another_serves(&self) -> bool {
        self.others.iter().any(|line| line.condition() == Condition::Serving)
    }
}

impl Lines {
    /// `count` lines and a desk for the task of each.
    pub(super) fn new(count: usize) -> (Self, Vec<Desk>) {
        let (lines, queues): (Vec<Line>, Vec<_>) = (0..count)
            .map(|_| {
                let (calls, queue) = mpsc::channel(WAITING);
                let state =
                    LineState { condition: AtomicU8::new(Condition::Away as u8), unanswered: AtomicU32::new(0) };
                (Line { calls, state: Arc::new(state) }, queue)
            })
            .unzip();
        let desks = queues.into_iter().enumerate().map(|(own, calls)| {
            let others = lines.iter().enumerate().filter(|(n, _)| *n != own).map(|(_, line)| Arc::clone(&line.state));
            Desk { calls, own: Arc::clone(&lines[own].state), others: others.collect() }
        });
        let desks = desks.collect();
        (Self { lines, turn: AtomicUsize::new(0) }, desks)
    }

    /// The daemon in the best condition, among equals the one with the fewest calls under way, among those by turns.
    fn pick(&self) -> Option<&Line> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = self.lines.len();
        let from_turn = (0..count).map(|n| &self.lines[(turn + n) % count]);
        from_turn.min_by_key(|line| (line.state.condition(), line.state.unanswered.load(Ordering::Relaxed)))
    }

    /// Puts a call to one daemon and waits for what becomes of it.
    pub(super) async fn put(&self, verb: Verb, deadline: Instant) -> Reply {
        let refuse = |error| Reply::Answered(Err(error));
        let Some(line) = self.pick() else { return refuse(HsmError::Unavailable("no socket is configured")) };
        let (reply, answer) = oneshot::channel();
        let under_way = UnderWay::new(&line.state.unanswered);
        if let Err(refused) = line.calls.try_send(Call { verb, deadline, reply }) {
            return refuse(match refused {
                mpsc::error::TrySendError::Full(_) => HsmError::Busy,
                mpsc::error::TrySendError::Closed(_) => HsmError::Unavailable(ENDED),
            });
        }
        let reply = tokio::time::timeout_at(deadline, answer).await;
        drop(under_way);
        match reply {
            Ok(Ok(reply)) => reply,
            Ok(Err(_)) => refuse(HsmError::Unavailable(ENDED)),
            Err(_) => refuse(HsmError::Unavailable("no answer before the deadline")),
        }
    }
}

const ENDED: &str = "the connection's task has ended";

/// Counts a call for as long as its caller waits, also when that caller is dropped.
struct UnderWay<'a>(&'a AtomicU32);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index_of(lines: &Lines, line: &Line) -> usize {
        lines.lines.iter().position(|each| std::ptr::eq(each, line)).unwrap()
    }

    #[test]
    fn a_call_goes_where_it_is_served_soonest() {
        let (lines, desks) = Lines::new(3);
        desks[0].own.set(Condition::Pausing);
        desks[2].own.set(Condition::Serving);
        assert_eq!(index_of(&lines, lines.pick().unwrap()), 2, "one serves");
        desks[1].own.set(Condition::Serving);
        lines.lines[2].state.unanswered.store(5, Ordering::Relaxed);
        assert_eq!(index_of(&lines, lines.pick().unwrap()), 1, "fewer under way");
        desks[2].own.set(Condition::Stalled);
        lines.lines[1].state.unanswered.store(50, Ordering::Relaxed);
        assert_eq!(index_of(&lines, lines.pick().unwrap()), 1, "better many under way than none answered");
        desks[1].own.set(Condition::Gone);
        desks[2].own.set(Condition::Gone);
        assert_eq!(index_of(&lines, lines.pick().unwrap()), 0, "a pause is short");
    }

    #[test]
    fn equals_take_turns() {
        let (lines, desks) = Lines::new(2);
        desks.iter().for_each(|desk| desk.own.set(Condition::Serving));
        let taken: Vec<usize> = (0..4).map(|_| index_of(&lines, lines.pick().unwrap())).collect();
        assert_eq!(taken, [0, 1, 0, 1]);
    }
}
