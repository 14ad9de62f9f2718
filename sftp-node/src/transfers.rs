//! The running transfers of a session, for REST, the idle time and the drain.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ferryd_control_plane::{TransferDirection, TransferStatus};
use ferryd_domain::RawPath;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::now_ms;
use crate::load::{self, Kind, Weight};

/// The running transfers of a session.
#[derive(Debug, Default)]
pub(crate) struct Transfers {
    running: Mutex<HashMap<u64, Arc<Progress>>>,
    next: AtomicU64,
    /// Bytes of the transfers that have ended.
    received: AtomicU64,
    sent: AtomicU64,
    gone: CancellationToken,
}

/// How far a transfer has come.
#[derive(Debug)]
pub(crate) struct Progress {
    direction: TransferDirection,
    path: RawPath,
    started_at: i64,
    started: Instant,
    last_activity: AtomicI64,
    last_second: AtomicU64,
    bytes: AtomicU64,
}

impl Transfers {
    /// Adds a transfer that is listed until the guard is dropped.
    pub fn start(self: &Arc<Self>, direction: TransferDirection, path: RawPath) -> TransferGuard {
        let now = now_ms();
        let progress = Arc::new(Progress {
            direction,
            path,
            started_at: now,
            started: Instant::now(),
            last_activity: AtomicI64::new(now),
            last_second: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        });
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(number, Arc::clone(&progress));
        let _weight = load::put_on_this_thread(Kind::Transferring);
        TransferGuard { transfers: Arc::clone(self), number, progress, _weight }
    }

    /// Notes that the client is gone: nothing waits for its turn any more.
    pub fn give_up(&self) {
        self.gone.cancel();
    }

    /// Tells whether nothing is running.
    pub fn is_empty(&self) -> bool {
        self.running.lock().is_empty()
    }

    /// Returns the bytes that have been moved one way, those of broken transfers included.
    pub fn moved(&self, direction: TransferDirection) -> u64 {
        let running = self.running.lock();
        let same = running.values().filter(|progress| progress.direction == direction);
        let moving: u64 = same.map(|progress| progress.bytes.load(Ordering::Relaxed)).sum();
        self.ended(direction).load(Ordering::Relaxed).saturating_add(moving)
    }

    fn ended(&self, direction: TransferDirection) -> &AtomicU64 {
        match direction {
            TransferDirection::Upload => &self.received,
            TransferDirection::Download => &self.sent,
        }
    }

    /// Returns the latest activity as a time after `origin`.
    pub fn last_activity(&self, origin: Instant) -> Duration {
        let latest = |progress: &Arc<Progress>| {
            let second = Duration::from_secs(progress.last_second.load(Ordering::Relaxed));
            (progress.started + second).saturating_duration_since(origin)
        };
        self.running.lock().values().map(latest).max().unwrap_or_default()
    }

    /// Returns the latest activity in Unix milliseconds, 0 for none.
    pub fn last_activity_ms(&self) -> i64 {
        let latest = |progress: &Arc<Progress>| progress.last_activity.load(Ordering::Relaxed);
        self.running.lock().values().map(latest).max().unwrap_or_default()
    }

    /// Returns what REST shows.
    pub fn status(&self) -> Vec<TransferStatus> {
        self.running.lock().values().map(|progress| progress.status()).collect()
    }
}

impl Progress {
    fn status(&self) -> TransferStatus {
        TransferStatus {
            direction: self.direction,
            path: self.path.clone(),
            started_at: self.started_at,
            last_activity: self.last_activity.load(Ordering::Relaxed),
            size: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// Keeps a transfer in the list of its session.
#[derive(Debug)]
pub(crate) struct TransferGuard {
    transfers: Arc<Transfers>,
    number: u64,
    progress: Arc<Progress>,
    _weight: Option<Weight>,
}

impl TransferGuard {
    /// Notes bytes that went through.
    pub fn moved(&self, bytes: u64) {
        let progress = &self.progress;
        progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        let second = progress.started.elapsed().as_secs();
        if progress.last_second.swap(second, Ordering::Relaxed) != second {
            progress.last_activity.store(now_ms(), Ordering::Relaxed);
        }
    }

    /// Returns when the client is gone.
    pub async fn gone(&self) {
        self.transfers.gone.cancelled().await;
    }

    /// Returns the bytes so far.
    pub fn bytes(&self) -> u64 {
        self.progress.bytes.load(Ordering::Relaxed)
    }

    /// Returns the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.progress.started.elapsed()
    }
}

impl Drop for TransferGuard {
    fn drop(&mut self) {
        let mut running = self.transfers.running.lock();
        running.remove(&self.number);
        let ended = self.transfers.ended(self.progress.direction);
        ended.fetch_add(self.bytes(), Ordering::Relaxed);
    }
}
