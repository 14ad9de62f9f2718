//! Bounds the work on passwords: memory, threads, waiting. Whoever guesses holds up few others:
//! turns go round by account and address ([`fair_queue`]), the same question asked twice is computed
//! once, and a wrong password is remembered for a minute ([`recent`]). Names without an account are
//! treated as those with one, so that a flood does not tell them apart.

mod fair_queue;
mod recent;
mod thread;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferryd_domain::{Fault, Secret};
use ferryd_telemetry::metrics;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{matches, memory_of};
use fair_queue::{FairQueue, Job};
use recent::{Question, Recent};

/// Memory of all checks that run at once. A hash that wants more runs alone.
const MEMORY_MIB: u32 = 256;
/// Checks of one account at once, if there are threads: three of four places in the memory.
const MAX_SHARE: usize = 3;
/// How long a check waits for its turn: less than a client and the link between processes do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a check belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    /// The logins of a name, with or without an account.
    Name(String),
    /// The users of the API, all of them.
    Api,
    /// New hashes, which the server itself wants.
    New,
}

/// Who asks for a check: addresses that one client can have are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// An IPv4 address.
    V4([u8; 4]),
    /// An IPv6 network of 64 bits.
    V6([u8; 8]),
    /// Not told apart.
    Any,
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The clear text belongs to the hash.
    Match,
    /// It does not.
    Mismatch,
    /// It was not checked: too much waits.
    Busy,
}

/// A check that is going on, for all who ask the same.
type Flight = Shared<BoxFuture<'static, Verdict>>;

/// The budget and those who wait for it.
#[derive(Debug)]
pub struct Pool {
    queue: Mutex<FairQueue<oneshot::Sender<Permit>>>,
    flights: Mutex<HashMap<Question, WeakShared<BoxFuture<'static, Verdict>>>>,
    recent: Recent,
}

/// A thread and memory; given back when the work is done, not when the client is gone.
#[derive(Debug)]
struct Permit {
    pool: Arc<Pool>,
    job: Job,
    began: Instant,
}

/// Leaves the queue when nobody waits any more.
struct Place {
    pool: Arc<Pool>,
    number: u64,
}

/// Takes a flight out of the list when it has landed or was given up.
struct Listed {
    pool: Arc<Pool>,
    question: Question,
}

impl Pool {
    /// Returns a pool with a thread per core.
    pub fn for_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(2, usize::from))
    }

    /// Returns a pool with this many threads. One account never gets the last thread, nor the
    /// last part of the memory that a new hash takes.
    pub fn new(threads: usize) -> Self {
        let share = threads.min(MAX_SHARE + 1).saturating_sub(1).max(1);
        Self {
            queue: Mutex::new(FairQueue::new(threads.max(1), MEMORY_MIB, share)),
            flights: Mutex::default(),
            recent: Recent::new(),
        }
    }

    /// Checks clear text against a hash when it is this client's turn. An answer without a check
    /// takes as long as one with a check would have taken.
    pub async fn verify(
        self: &Arc<Self>,
        line: Line,
        origin: Origin,
        hash: Secret<String>,
        clear: Secret<String>,
    ) -> Verdict {
        let begin = tokio::time::Instant::now();
        let question = self.recent.question(&line, hash.expose(), clear.expose());
        let job = Job { line, origin, memory: memory_of(hash.expose()).clamp(1, MEMORY_MIB) };
        if self.recent.is_wrong(&question, Instant::now()) {
            tokio::time::sleep(self.expected(&job)).await;
            return Verdict::Mismatch;
        }
        let expected = self.expected(&job);
        let verdict = self.flight(question, job, hash, clear).await;
        if verdict == Verdict::Busy {
            metrics::password_check_refused();
            tokio::time::sleep_until(begin + expected).await;
        }
        verdict
    }

    /// Runs work that nobody outside can ask for in any number; it waits as long as it has to.
    pub(super) async fn run<T, F>(self: &Arc<Self>, memory_mib: u32, work: F) -> Result<T, Fault>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let memory = memory_mib.clamp(1, MEMORY_MIB);
        let job = Job { line: Line::New, origin: Origin::Any, memory };
        let permit = self.turn(job).await;
        let permit = permit.ok_or_else(|| Fault::unavailable("too much password work waits"))?;
        thread::run(permit, work).await
    }

    /// Joins the check of the same question, or starts it.
    fn flight(
        self: &Arc<Self>,
        question: Question,
        job: Job,
        hash: Secret<String>,
        clear: Secret<String>,
    ) -> Flight {
        let mut flights = self.flights.lock();
        if let Some(flight) = flights.get(&question).and_then(WeakShared::upgrade) {
            return flight;
        }
        let listed = Listed { pool: Arc::clone(self), question: question.clone() };
        let check = Arc::clone(self).check(listed, job, hash, clear);
        let flight = check.boxed().shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(question, weak);
        }
        flight
    }

    async fn check(
        self: Arc<Self>,
        listed: Listed,
        job: Job,
        hash: Secret<String>,
        clear: Secret<String>,
    ) -> Verdict {
        let Ok(Some(permit)) = tokio::time::timeout(PATIENCE, self.turn(job)).await else {
            return Verdict::Busy;
        };
        let work = move || matches(hash.expose(), clear.expose().as_bytes());
        match thread::run(permit, work).await {
            Ok(true) => Verdict::Match,
            Ok(false) => {
                self.recent.note(listed.question.clone(), Instant::now());
                Verdict::Mismatch
            }
            Err(fault) => {
                tracing::error!(sender = "auth", error = %fault, "a password was not checked");
                Verdict::Busy
            }
        }
    }

    /// Waits for a thread and memory; nothing when others have to be preferred.
    async fn turn(self: &Arc<Self>, job: Job) -> Option<Permit> {
        let (grant, granted) = oneshot::channel();
        let number = self.queue.lock().join(job, grant)?;
        let place = Place { pool: Arc::clone(self), number };
        self.grant();
        let permit = granted.await.ok();
        drop(place);
        permit
    }

    /// Gives what is free to those whose turn it is.
    fn grant(self: &Arc<Self>) {
        loop {
            let Some((job, grant)) = self.queue.lock().next() else { return };
            let permit = Permit { pool: Arc::clone(self), job, began: Instant::now() };
            // One that nobody waits for any more comes back when it is dropped.
            if let Err(unused) = grant.send(permit) {
                drop(unused);
            }
        }
    }

    /// Returns how long a check takes that is asked for now, with the wait for its turn.
    fn expected(&self, job: &Job) -> Duration {
        self.queue.lock().expected(job).min(PATIENCE)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.pool.queue.lock().done(&self.job, self.began.elapsed());
        self.pool.grant();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.queue.lock().leave(self.number);
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.pool.flights.lock().remove(&self.question);
    }
}

#[cfg(test)]
mod tests;
