//! The queue between the reader and the writer of a channel: replies that are ready, and requests
//! that wait in compact form until there is room to send what they ask for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::budget::{Budget, Exhausted, Share};
use crate::files::{Directory, Download, Upload};

/// What waits for the writer, in the order of the requests.
pub(super) enum Pending {
    /// Replies.
    Bytes(Vec<u8>),
    /// READ of a file open for reading.
    Read { id: u32, length: u32, offset: u64, download: Arc<Download> },
    /// READ of a file open for writing as well.
    ReadBack(Box<ReadBack>),
    /// READDIR.
    List { id: u32, directory: Arc<Directory> },
    /// CLOSE of a file open for reading, after its READs.
    CloseRead { id: u32, download: Arc<Download> },
    /// A request that must not overtake the ones before it; gives its reply.
    Deferred { run: BoxFuture<'static, Vec<u8>>, cost: usize },
}

/// READ of a file open for writing.
pub(super) struct ReadBack {
    pub id: u32,
    pub length: u32,
    pub offset: u64,
    pub upload: Arc<Upload>,
    pub waiting: Waiting,
}

/// Counts one request that reads or changes an upload and waits for the writer.
#[derive(Debug)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// Counts.
    pub fn on(counter: Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pending {
    /// Returns the memory that it takes while it waits.
    fn cost(&self) -> usize {
        let own = size_of::<Self>();
        match self {
            Self::Bytes(bytes) => own + bytes.capacity(),
            Self::ReadBack(_) => own + size_of::<ReadBack>(),
            Self::Deferred { cost, .. } => own + cost,
            Self::Read { .. } | Self::List { .. } | Self::CloseRead { .. } => own,
        }
    }
}

/// How the reader has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// It is still reading.
    Not,
    /// The client sends nothing any more but may read on.
    Drain,
    /// Nothing can be sent any more.
    Stop,
}

struct State {
    waiting: VecDeque<Pending>,
    share: Share,
    ending: Ending,
}

/// The queue.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Notify,
    /// Wakes a writer that is sending.
    stopped: Notify,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl Queue {
    /// Returns an empty queue that takes its memory from `budget`.
    pub fn new(budget: &Arc<Budget>) -> Self {
        let state =
            State { waiting: VecDeque::new(), share: Share::of(budget), ending: Ending::Not };
        Self { state: Mutex::new(state), filled: Notify::new(), stopped: Notify::new() }
    }

    /// Adds something; never waits.
    ///
    /// # Errors
    /// [`Exhausted`] when the client has too much waiting.
    pub fn push(&self, pending: Pending) -> Result<(), Exhausted> {
        let mut state = self.state.lock();
        state.share.take(pending.cost())?;
        state.waiting.push_back(pending);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Returns the next thing, `None` when the reader has ended and nothing is left.
    pub async fn next(&self) -> Option<Pending> {
        loop {
            if let Some(pending) = self.try_next(|_| true) {
                return Some(pending);
            }
            if self.state.lock().ending != Ending::Not {
                return None;
            }
            self.filled.notified().await;
        }
    }

    /// Returns the next thing if there is one now that suits.
    pub fn try_next(&self, suits: impl FnOnce(&Pending) -> bool) -> Option<Pending> {
        let mut state = self.state.lock();
        if !state.waiting.front().is_some_and(suits) {
            return None;
        }
        let pending = state.waiting.pop_front()?;
        let cost = pending.cost();
        state.share.give_back(cost);
        if state.waiting.is_empty() && state.waiting.capacity() > 1024 {
            state.waiting.shrink_to(64);
        }
        Some(pending)
    }

    /// Tells whether nothing waits now.
    pub fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// The client sends nothing any more: the writer sends what is left and ends.
    pub fn drain(&self) {
        self.end(Ending::Drain);
    }

    /// Nothing can be sent any more: the writer ends at once.
    pub fn stop(&self) {
        self.end(Ending::Stop);
        self.stopped.notify_one();
    }

    fn end(&self, ending: Ending) {
        self.state.lock().ending = ending;
        self.filled.notify_one();
    }

    /// Returns when nothing can be sent any more.
    pub async fn stopped(&self) {
        while self.state.lock().ending != Ending::Stop {
            self.stopped.notified().await;
        }
    }
}
