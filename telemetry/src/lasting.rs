use std::borrow::Cow;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Tasks that last as long as their program. One that ends sooner, by a panic or by returning, leaves a program that looks
/// alive and does half of its work; so the program is told, and ends.
///
/// Clones share the same tasks.
#[derive(Clone, Debug)]
pub struct LastingTasks {
    stop: CancellationToken,
    lost: Arc<watch::Sender<Option<TaskLost>>>,
}

/// A task has ended before its program was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} has {}, and nothing does its work", if *.panicked { "panicked" } else { "ended" })]
pub struct TaskLost {
    pub task: Cow<'static, str>,
    /// Whether it panicked; otherwise it returned.
    pub panicked: bool,
}

impl LastingTasks {
    /// Tasks that may end once `stop` is cancelled.
    #[must_use]
    pub fn until(stop: CancellationToken) -> Self {
        Self { stop, lost: Arc::new(watch::Sender::new(None)) }
    }

    /// The same tasks, where those that are started by the new handle may end once `stop` is cancelled.
    #[must_use]
    pub fn ending_with(&self, stop: CancellationToken) -> Self {
        Self { stop, lost: Arc::clone(&self.lost) }
    }

    /// Cancelled when the tasks may end.
    #[must_use]
    pub const fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task. Aborting it is no loss.
    pub fn spawn<F>(&self, task: impl Into<Cow<'static, str>>, work: F) -> AbortHandle
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (task, tasks) = (task.into(), self.clone());
        let watched = async move {
            let panicked = AssertUnwindSafe(work).catch_unwind().await.is_err();
            if panicked || !tasks.stop.is_cancelled() {
                let lost = TaskLost { task, panicked };
                tracing::error!(%lost, "the program ends");
                // the first says why; others may follow from it
                tasks.lost.send_if_modified(|first| {
                    let is_first = first.is_none();
                    first.get_or_insert(lost);
                    is_first
                });
            }
        };
        tokio::spawn(watched).abort_handle()
    }

    /// Waits until a task is lost; for ever if none is.
    pub async fn lost(&self) -> TaskLost {
        let mut lost = self.lost.subscribe();
        let lost = lost.wait_for(Option::is_some).await.ok().and_then(|lost| lost.clone());
        match lost {
            Some(lost) => lost,
            // the sender lives as long as `self`
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// What is lost once every task has had its turn.
    async fn lost(tasks: &LastingTasks) -> Option<TaskLost> {
        tokio::task::yield_now().await;
        tasks.lost().now_or_never()
    }

    #[tokio::test]
    async fn a_task_that_ends_too_soon_is_lost_however_it_ends() {
        for panics in [true, false] {
            let tasks = LastingTasks::until(CancellationToken::new());
            tasks.spawn("the one that lasts", pending());
            assert_eq!(lost(&tasks).await, None);
            tasks.spawn(format!("the one of {panics}"), async move { assert!(!panics, "as a test wants it") });
            let expected = TaskLost { task: format!("the one of {panics}").into(), panicked: panics };
            assert_eq!(lost(&tasks).await, Some(expected.clone()));
            tasks.spawn("a later one", async {});
            assert_eq!(lost(&tasks.clone()).await, Some(expected), "the first says why");
        }
    }

    #[tokio::test]
    async fn a_task_that_ends_when_asked_or_is_aborted_is_not_lost_but_a_panic_is() {
        let tasks = LastingTasks::until(CancellationToken::new());
        tasks.spawn("an aborted one", pending()).abort();
        let stop = tasks.stop().clone();
        tasks.spawn("one that ends when asked", async move { stop.cancelled().await });
        tasks.stop().cancel();
        assert_eq!(lost(&tasks).await, None);
        let sooner = CancellationToken::new();
        let tasks = LastingTasks::until(CancellationToken::new());
        sooner.cancel();
        tasks.ending_with(sooner).spawn("one that ends sooner", async {});
        assert_eq!(lost(&tasks).await, None);
        tasks.spawn("a panic", async { panic!("as a test wants it") });
        assert!(lost(&tasks).await.is_some_and(|lost| lost.panicked));
    }
}
