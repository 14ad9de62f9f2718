//! Usage changes and events on their way to the control plane. While it is away they wait here,
//! within a bound, and are sent again in order, each kind on its own; each carries an id, so twice
//! does no harm. When a usage change is lost all the same, its account is reported as one to count
//! anew.

mod events;
mod gathered;
mod lost;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ferryd_control_plane::{Certainty, ControlPlane, UsageChange};
use ferryd_domain::{Fault, FaultKind, FileEvent};
use ferryd_runtime::Backoff;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use events::Events;
use gathered::Gathered;
pub(crate) use gathered::Pace;
use lost::Lost;

/// How many changes and events may wait. A change beyond it is made good by a scan, an event is lost.
const CAPACITY: usize = 65_536;
/// How long the close of a file waits for its usage change to arrive.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// What is still logged, each by its id, when the node ends before it arrived.
const FAREWELL: Duration = Duration::from_secs(1);

/// How many sums of gathered changes are on their way at once.
const TOLD_AT_ONCE: usize = 16;

/// A bounded queue with retries.
#[derive(Debug)]
pub(crate) struct Outbox {
    changes: Arc<Changes>,
    events: Events,
    _teller: AbortOnDropHandle<()>,
}

/// The usage changes.
#[derive(Debug)]
struct Changes {
    control: Arc<dyn ControlPlane>,
    queue: mpsc::Sender<UsageChange>,
    gathered: Gathered,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Usage changes that have not arrived yet.
    waiting: AtomicUsize,
    /// Whether the last try has failed: then nobody waits for one of his own.
    away: AtomicBool,
    lost: Lost,
    /// The node ends: what has not arrived does not arrive any more.
    stop: CancellationToken,
}

impl Outbox {
    /// Starts the sender on the current runtime.
    pub fn start(control: Arc<dyn ControlPlane>) -> Self {
        Self::with_capacity(control, CAPACITY)
    }

    fn with_capacity(control: Arc<dyn ControlPlane>, capacity: usize) -> Self {
        let (queue, items) = mpsc::channel(capacity);
        let state = Arc::new(State::default());
        tokio::spawn(send_all(Arc::clone(&control), items, Arc::clone(&state)));
        let events = Events::start(Arc::clone(&control), capacity, state.stop.clone());
        let changes = Arc::new(Changes { control, queue, gathered: Gathered::new(), state });
        let teller = AbortOnDropHandle::new(tokio::spawn(tell_gathered(Arc::clone(&changes))));
        Self { changes, events, _teller: teller }
    }

    /// Hands over a usage change; returns when it has arrived or waits in the queue.
    pub async fn change_usage(&self, change: UsageChange) {
        self.changes.tell(change).await;
    }

    /// Notes a change; tells whether it is one of so many that they are better told together.
    pub fn gathers(&self, pace: &Pace) -> bool {
        !self.changes.control.counts_lightly() && pace.is_fast()
    }

    /// Hands over a usage change that nobody waits for; never waits.
    pub fn change_usage_later(&self, change: UsageChange) {
        self.changes.push(change);
    }

    /// Hands over a usage change that ends no grant and is told together with others; never waits.
    pub fn gather(&self, change: UsageChange) {
        self.changes.gathered.add(change);
    }

    /// Waits until changes that were handed over before have arrived, or wait in the queue.
    pub async fn all_told(&self) {
        self.changes.gathered.all_told().await;
    }

    /// Hands over an event; never waits.
    pub fn dispatch(&self, event: FileEvent) {
        self.events.put(event);
    }

    /// Waits until everything has arrived, at most for `limit`; logs each that has not.
    pub async fn drain(&self, limit: Duration) {
        // What was gathered need not wait for more.
        let _ = tokio::time::timeout(limit, self.all_told()).await;
        self.empties(limit).await;
        self.changes.state.stop.cancel();
        self.empties(FAREWELL).await;
    }

    /// Waits until nothing waits, at most for `limit`.
    async fn empties(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while self.waiting() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn waiting(&self) -> usize {
        self.changes.waiting() + self.events.waiting()
    }
}

impl Changes {
    /// Tells a change now; when that fails, it waits in the queue.
    async fn tell(&self, change: UsageChange) {
        if !self.state.away.load(Ordering::Acquire) {
            let call = self.control.change_usage(change.clone());
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(Err(fault)) if fault.is_transient() => {}
                Ok(Err(fault)) => return self.state.lose(&change, &fault),
                Ok(Ok(())) => return,
                Err(_) => {}
            }
        }
        self.push(late(change));
    }

    fn push(&self, change: UsageChange) {
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        if let Err(refused) = self.queue.try_send(change) {
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            let (mpsc::error::TrySendError::Full(change)
            | mpsc::error::TrySendError::Closed(change)) = refused;
            self.state.lose(&change, &Fault::unavailable("the outbox is full"));
        }
    }

    fn waiting(&self) -> usize {
        let queued = self.state.waiting.load(Ordering::Acquire) + self.state.lost.count();
        queued + self.gathered.waiting()
    }
}

/// Tells what was gathered, again and again.
async fn tell_gathered(changes: Arc<Changes>) {
    loop {
        let batch = changes.gathered.batch().await;
        futures::stream::iter(&batch.changes)
            .for_each_concurrent(TOLD_AT_ONCE, |change| changes.tell(change.clone()))
            .await;
        changes.gathered.told(&batch);
    }
}

/// Returns a change as one that did not arrive when it happened: a scan may have seen it already.
fn late(change: UsageChange) -> UsageChange {
    UsageChange { certainty: Certainty::Doubtful, ..change }
}

impl State {
    /// Logs a change that does not arrive, and notes whose counters it leaves wrong.
    fn lose(&self, change: &UsageChange, fault: &Fault) {
        log_lost(change, fault);
        // An account that is gone has no counters.
        if fault.kind() != FaultKind::NotFound {
            self.lost.note(change);
        }
    }
}

async fn send_all(
    control: Arc<dyn ControlPlane>,
    mut changes: mpsc::Receiver<UsageChange>,
    state: Arc<State>,
) {
    loop {
        tokio::select! {
            change = changes.recv() => match change {
                Some(change) => {
                    send_one(control.as_ref(), change, &state).await;
                    state.waiting.fetch_sub(1, Ordering::AcqRel);
                }
                None => return,
            },
            () = state.lost.noted() => tell_lost(control.as_ref(), &state).await,
        }
    }
}

/// Has the accounts of lost changes counted anew.
async fn tell_lost(control: &dyn ControlPlane, state: &State) {
    for change in state.lost.take() {
        send_one(control, change, state).await;
    }
    state.lost.told();
}

/// Sends until it arrives, is refused for good, or the node ends.
async fn send_one(control: &dyn ControlPlane, mut change: UsageChange, state: &State) {
    let mut backoff = backoff();
    loop {
        let sent = tokio::select! {
            biased;
            () = state.stop.cancelled() => Err(ended()),
            sent = control.change_usage(change.clone()) => sent,
        };
        let failed = sent.as_ref().is_err_and(Fault::is_transient);
        state.away.store(failed, Ordering::Release);
        match sent {
            Ok(()) => return,
            Err(fault) if fault.is_transient() => {
                backoff.pause(&state.stop).await;
                change = late(change);
            }
            Err(fault) => return log_lost(&change, &fault),
        }
    }
}

/// The pauses between tries of what could not be sent.
fn backoff() -> Backoff {
    Backoff::new(FIRST_RETRY, LAST_RETRY)
}

fn ended() -> Fault {
    Fault::failed("the node has ended")
}

fn log_lost(change: &UsageChange, fault: &Fault) {
    tracing::error!(
        sender = "sftpd",
        transfer = %change.transfer.0,
        username = %change.username,
        size = change.size,
        files = change.files,
        error = %fault,
        "a usage change is lost"
    );
}

#[cfg(test)]
mod tests;
