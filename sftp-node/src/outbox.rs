//! Usage changes and events on their way to the control plane. While it is away they wait here,
//! within a bound, and are sent again in order; each carries an id, so twice does no harm. When a
//! usage change is lost all the same, its account is reported as one to count anew.

mod lost;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use ferryd_control_plane::{Certainty, ControlPlane, UsageChange};
use ferryd_domain::{Fault, FaultKind, FileEvent};
use tokio::sync::mpsc;

use lost::Lost;

/// How many changes and events may wait. A change beyond it is made good by a scan, an event is lost.
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
    lost: Lost,
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
        Self { control, queue, state }
    }

    /// Hands over a usage change; returns when it has arrived or waits in the queue.
    pub async fn change_usage(&self, change: UsageChange) {
        if !self.state.away.load(Ordering::Acquire) {
            let call = self.control.change_usage(change.clone());
            match tokio::time::timeout(PATIENCE, call).await {
                Ok(Err(fault)) if fault.is_transient() => {}
                Ok(Err(fault)) => return self.state.lose(&Item::Usage(change), &fault),
                Ok(Ok(())) => return,
                Err(_) => {}
            }
        }
        self.push(Item::Usage(change).late());
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
            self.state.lose(&item, &Fault::unavailable("the outbox is full"));
        }
    }

    /// Waits until everything has arrived, at most for `limit`; logs what has not.
    pub async fn drain(&self, limit: Duration) {
        let deadline = tokio::time::Instant::now() + limit;
        while self.waiting() > 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let left = self.waiting();
        if left > 0 {
            tracing::error!(sender = "sftpd", left, "usage changes and events were not delivered");
        }
    }

    fn waiting(&self) -> usize {
        self.state.waiting.load(Ordering::Acquire) + self.state.lost.count()
    }
}

impl Item {
    /// Returns it as one that did not arrive when it happened: a scan may have seen it already.
    fn late(self) -> Self {
        match self {
            Self::Usage(change) => {
                Self::Usage(UsageChange { certainty: Certainty::Doubtful, ..change })
            }
            Self::Event(event) => Self::Event(event),
        }
    }
}

impl State {
    /// Logs what does not arrive, and notes whose counters it leaves wrong.
    fn lose(&self, item: &Item, fault: &Fault) {
        log_lost(item, fault);
        match item {
            // An account that is gone has no counters.
            Item::Usage(change) if fault.kind() != FaultKind::NotFound => self.lost.note(change),
            Item::Usage(_) | Item::Event(_) => {}
        }
    }
}

async fn send_all(
    control: Arc<dyn ControlPlane>,
    mut items: mpsc::Receiver<Item>,
    state: Arc<State>,
) {
    loop {
        tokio::select! {
            item = items.recv() => match item {
                Some(item) => {
                    send_one(control.as_ref(), item, &state).await;
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
        send_one(control, Item::Usage(change), state).await;
    }
    state.lost.told();
}

/// Sends until it arrives or is refused for good.
async fn send_one(control: &dyn ControlPlane, mut item: Item, state: &State) {
    let mut pause = FIRST_RETRY;
    loop {
        let sent = match &item {
            Item::Usage(change) => control.change_usage(change.clone()).await,
            Item::Event(event) => control.dispatch(event.as_ref().clone()).await,
        };
        let failed = sent.as_ref().is_err_and(Fault::is_transient);
        state.away.store(failed, Ordering::Release);
        match sent {
            Ok(()) => return,
            Err(fault) if fault.is_transient() => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_RETRY);
                item = item.late();
            }
            Err(fault) => return log_lost(&item, &fault),
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

#[cfg(test)]
mod tests;
