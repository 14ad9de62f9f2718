//! Threads for calls that may hang, apart from those that serve connections: file systems that do
//! not answer take none of the threads that disks of this machine and logins need.

use std::sync::LazyLock;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// For directories whose file system is not known yet; the bulkheads let fewer calls through.
pub(super) static OPENING: LazyLock<Threads> = LazyLock::new(|| Threads::new(448));
/// For all file systems that may be on other machines.
pub(super) static REMOTE: LazyLock<Threads> = LazyLock::new(|| Threads::new(512));

/// A pool. It has no thread while nothing is to be done.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    fn new(most: usize) -> Self {
        let mut pool = Builder::new_current_thread();
        let pool = pool.max_blocking_threads(most).thread_name("disk").build();
        Self(pool.inspect_err(|error| tracing::warn!(%error, "no threads of their own")).ok())
    }

    /// Runs blocking work; without threads of their own on the pool of the current runtime.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        match &self.0 {
            Some(pool) => pool.spawn_blocking(work),
            None => tokio::task::spawn_blocking(work),
        }
    }
}
