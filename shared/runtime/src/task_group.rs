//! Tasks with an owner: they are joined at the end, and a panic in one of them is not silent.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// Every task has ended.
    All,
    /// Time was up; this many were ended before they were done.
    Aborted(usize),
}

/// A set of tasks that end together.
#[derive(Clone, Debug, Default)]
pub struct TaskGroup {
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl TaskGroup {
    /// Returns an empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs a task in this group. The name is for the log.
    pub fn spawn<F>(&self, name: &'static str, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let abort = self.abort.clone();
        self.tracker.spawn(async move {
            tokio::select! {
                biased;
                () = abort.cancelled() => {}
                result = AssertUnwindSafe(task).catch_unwind() => {
                    if result.is_err() {
                        tracing::error!(sender = "service", task = name, "a task has panicked");
                    }
                }
            }
        });
    }

    /// Returns how many tasks are running.
    pub fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Tells whether no task is running.
    pub fn is_empty(&self) -> bool {
        self.tracker.is_empty()
    }

    /// Waits until all tasks have ended; those that are not done in time are dropped.
    pub async fn join(&self, limit: Duration) -> Joined {
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait()).await.is_ok() {
            return Joined::All;
        }
        let left = self.tracker.len();
        self.abort.cancel();
        self.tracker.wait().await;
        Joined::Aborted(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_that_end_are_joined() {
        let group = TaskGroup::new();
        group.spawn("short", async {});
        assert_eq!(group.join(Duration::from_secs(5)).await, Joined::All);
        assert!(group.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_end_is_dropped_in_time() {
        let group = TaskGroup::new();
        let (held, mut dropped) = tokio::sync::mpsc::channel::<()>(1);
        group.spawn("stuck", async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        assert_eq!(group.join(Duration::from_secs(5)).await, Joined::Aborted(1));
        assert_eq!(dropped.recv().await, None);
    }

    #[tokio::test]
    async fn a_panic_ends_its_task_and_no_other() {
        let group = TaskGroup::new();
        let (tell, mut told) = tokio::sync::mpsc::channel(1);
        group.spawn("broken", async { panic!("a defect") });
        group.spawn("whole", async move {
            let _ = tell.send(()).await;
        });
        assert_eq!(told.recv().await, Some(()));
        assert_eq!(group.join(Duration::from_secs(5)).await, Joined::All);
    }
}
