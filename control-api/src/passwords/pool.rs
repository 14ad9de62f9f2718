//! Bounds the work on passwords: memory, threads, and a line of its own for each account, so that
//! wrong passwords for one account hold up nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ferryd_domain::{Fault, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{matches, memory_of};

/// Memory of all checks that run at once. A hash that wants more runs alone.
const MEMORY_MIB: u32 = 256;
/// Checks of one account at once, if there are threads: three of four places in the memory.
const MAX_SHARE: usize = 3;
/// Checks that may wait for one account.
const MAX_WAITING: usize = 256;
/// Unknown names share this many lines, so that inventing names gives no more work than one
/// account each.
const UNKNOWN_LINES: usize = 8;

/// Whose turn a check takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// A name that has an account.
    Account(String),
    /// The users of the API, all of them.
    Api,
    /// One of the lines for names without an account.
    Unknown(usize),
}

impl Line {
    /// Returns the line for a name that has no account.
    pub fn unknown(name: &str) -> Self {
        Self::Unknown(
            name.bytes().fold(0_usize, |sum, b| sum.wrapping_add(b.into())) % UNKNOWN_LINES,
        )
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The clear text belongs to the hash.
    Match,
    /// It does not.
    Mismatch,
    /// Too many checks wait for this account.
    Busy,
}

/// The budget and the lines.
#[derive(Debug)]
pub struct Pool {
    memory: Arc<Semaphore>,
    threads: Arc<Semaphore>,
    lines: Mutex<HashMap<Line, Queue>>,
    /// Checks of one account at once.
    share: usize,
}

#[derive(Debug)]
struct Queue {
    turn: Arc<Semaphore>,
    waiting: usize,
}

/// A place in a line; goes away when the work is done, not when the client is gone.
struct Ticket {
    pool: Arc<Pool>,
    line: Line,
    turn: Arc<Semaphore>,
}

/// Everything that a check holds while it runs.
struct Budget {
    _memory: OwnedSemaphorePermit,
    _thread: OwnedSemaphorePermit,
}

impl Pool {
    /// Returns a pool with a thread per core.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from))
    }

    /// Returns a pool with this many threads. One account never gets the last thread, nor the
    /// last part of the memory that a new hash takes.
    pub fn new(threads: usize) -> Self {
        Self {
            memory: Arc::new(Semaphore::new(MEMORY_MIB as usize)),
            threads: Arc::new(Semaphore::new(threads.max(1))),
            lines: Mutex::default(),
            share: threads.min(MAX_SHARE + 1).saturating_sub(1).max(1),
        }
    }

    /// Checks clear text against a hash when it is this line's turn.
    pub async fn verify(
        self: &Arc<Self>,
        line: Line,
        hash: Secret<String>,
        clear: Secret<String>,
    ) -> Verdict {
        let Some(ticket) = Ticket::draw(self, line) else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&ticket.turn).acquire_owned().await else { return Verdict::Busy };
        let memory = memory_of(hash.expose());
        let matched = self.run(memory, move || {
            let matched = matches(hash.expose(), clear.expose().as_bytes());
            drop((turn, ticket));
            matched
        });
        match matched.await {
            Ok(true) => Verdict::Match,
            Ok(false) | Err(_) => Verdict::Mismatch,
        }
    }

    /// Runs work on the blocking pool within the budget. Work that started runs to its end and
    /// keeps its part of the budget even when nobody waits for it any more.
    pub(super) async fn run<T, F>(&self, memory_mib: u32, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let budget = self.budget(memory_mib).await?;
        let job = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(budget);
            result
        });
        job.await.map_err(|error| Fault::internal("password work").because(error))
    }

    async fn budget(&self, memory_mib: u32) -> Result<Budget, Fault> {
        let closed = |error| Fault::internal("password pool").because(error);
        let memory = memory_mib.clamp(1, MEMORY_MIB);
        let memory = Arc::clone(&self.memory).acquire_many_owned(memory).await.map_err(closed)?;
        let thread = Arc::clone(&self.threads).acquire_owned().await.map_err(closed)?;
        Ok(Budget { _memory: memory, _thread: thread })
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, HashMap<Line, Queue>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    fn draw(pool: &Arc<Pool>, line: Line) -> Option<Self> {
        let mut lines = pool.lines();
        let queue = lines
            .entry(line.clone())
            .or_insert_with(|| Queue { turn: Arc::new(Semaphore::new(pool.share)), waiting: 0 });
        if queue.waiting >= MAX_WAITING {
            return None;
        }
        queue.waiting += 1;
        let turn = Arc::clone(&queue.turn);
        drop(lines);
        Some(Self { pool: Arc::clone(pool), line, turn })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut lines = self.pool.lines();
        if let Some(queue) = lines.get_mut(&self.line) {
            queue.waiting = queue.waiting.saturating_sub(1);
            if queue.waiting == 0 {
                lines.remove(&self.line);
            }
        }
    }
}
