//! Usage changes and events on their way to the control plane. While it is away they wait here,
//! within a bound, and are sent again in order; each carries an id, so twice does no harm.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ferryd_control_plane::{ControlPlane, UsageChange};
use ferryd_domain::{Fault, FileEvent};
use tokio::sync::mpsc;

/// How many changes and events may wait; beyond it the oldest guarantee ends with a log line.
const CAPACITY: usize = 65_536;
/// How long the close of a file waits for its usage change to arrive.
const PATIENCE: Duration = Duration::from_secs(2);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

#[derive(Clone, Debug)]
enum Item {
    Usage(UsageChange),
    Event(Box<FileEvent>),
}

/// A bounded queue with retries.
#[derive(Debug)]
pub(crate) struct Outbox {
    control: Arc<dyn ControlPlane>,
    queue: mpsc::Sender<Item>,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Items that have not arrived yet.
    waiting: AtomicUsize,
    /// Whether the last try has failed: then nobody waits for one of his own.
    away: AtomicBool,
}

impl Outbox {
    /// Starts the sender on the current runtime.
    pub fn start(control: Arc<dyn ControlPlane>) -> Self {
        let (queue, items) = mpsc::channel(CAPACITY);
        let state = Arc::new(State::default());
        tokio::spawn(send_all(Arc::clone(&control), items, Arc::clone(&state)));
        Self { control, queue, state }
    }

    /// Hands over a usage change; returns when it has arrived or waits in the queue.
    pub async fn change_usage(&self, change: UsageChange) {
        if !self.state.away.load(Ordering::Acquire) {
            let call = self.control.change_usage(change.clone());
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(Err(fault)) if fault.is_transient() => {}
                Ok(Err(fault)) => return log_lost(&Item::Usage(change), &fault),
                Ok(Ok(())) => return,
                Err(_) => {}
            }
        }
        self.push(Item::Usage(change));
    }

    /// Hands over a usage change that nobody waits for; never waits.
    pub fn change_usage_later(&self, change: UsageChange) {
        self.push(Item::Usage(change));
    }

    /// Hands over an event; never waits.
    pub fn dispatch(&self, event: FileEvent) {
        self.push(Item::Event(Box::new(event)));
    }

    fn push(&self, item: Item) {
        self.state.waiting.fetch_add(1, Ordering::AcqRel);
        if let Err(refused) = self.queue.try_send(item) {
            self.state.waiting.fetch_sub(1, Ordering::AcqRel);
            let (mpsc::error::TrySendError::Full(item) | mpsc::error::TrySendError::Closed(item)) =
                refused;
            log_lost(&item, &Fault::unavailable("the outbox is full"));
        }
    }

    /// Waits until everything has arrived, at most for `limit`; logs what has not.
    pub async fn drain(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while self.state.waiting.load(Ordering::Acquire) > 0
            && tokio::time::Instant::now() < deadline
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.state.waiting.load(Ordering::Acquire);
        if left > 0 {
            tracing::error!(sender = "sftpd", left, "usage changes and events were not delivered");
        }
    }
}

async fn send_all(
    control: Arc<dyn ControlPlane>,
    mut items: mpsc::Receiver<Item>,
    state: Arc<State>,
) {
    while let Some(item) = items.recv().await {
        send_one(control.as_ref(), &item, &state.away).await;
        state.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sends until it arrives or is refused for good.
async fn send_one(control: &dyn ControlPlane, item: &Item, away: &AtomicBool) {
    let mut pause = FIRST_RETRY;
    loop {
        let sent = match item {
            Item::Usage(change) => control.change_usage(change.clone()).await,
            Item::Event(event) => control.dispatch(event.as_ref().clone()).await,
        };
        let failed = sent.as_ref().is_err_and(Fault::is_transient);
        away.store(failed, Ordering::Release);
        match sent {
            Ok(()) => return,
            Err(fault) if fault.is_transient() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_RETRY);
            }
            Err(fault) => return log_lost(item, &fault),
        }
    }
}

fn log_lost(item: &Item, fault: &Fault) {
    match item {
        Item::Usage(change) => tracing::error!(
            sender = "sftpd",
            transfer = %change.transfer.0,
            username = %change.username,
            size = change.size,
            files = change.files,
            error = %fault,
            "a usage change is lost"
        ),
        Item::Event(event) => tracing::error!(
            sender = "sftpd",
            event = %event.id.0,
            username = %event.username,
            error = %fault,
            "an event is lost"
        ),
    }
}
