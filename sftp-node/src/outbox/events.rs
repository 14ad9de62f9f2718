//! Events on their way to the actions of the control plane, in a queue of their own: receivers
//! that are slow there must not hold up what is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferryd_control_plane::ControlPlane;
use ferryd_domain::{Fault, FileEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{backoff, ended};

/// The queue of events.
#[derive(Debug)]
pub(super) struct Events {
    queue: mpsc::Sender<FileEvent>,
    /// Events that have not arrived yet.
    waiting: Arc<AtomicUsize>,
}

impl Events {
    /// Starts the sender on the current runtime; it gives up when told to stop.
    pub fn start(control: Arc<dyn ControlPlane>, capacity: usize, stop: CancellationToken) -> Self {
        let (queue, events) = mpsc::channel(capacity);
        let waiting = Arc::new(AtomicUsize::new(0));
        tokio::spawn(send_all(control, events, Arc::clone(&waiting), stop));
        Self { queue, waiting }
    }

    /// Takes an event; never waits.
    pub fn put(&self, event: FileEvent) {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        if let Err(refused) = self.queue.try_send(event) {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            let (mpsc::error::TrySendError::Full(event) | mpsc::error::TrySendError::Closed(event)) =
                refused;
            log_lost(&event, &Fault::unavailable("the outbox is full"));
        }
    }

    /// Returns how many have not arrived yet.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Acquire)
    }
}

async fn send_all(
    control: Arc<dyn ControlPlane>,
    mut events: mpsc::Receiver<FileEvent>,
    waiting: Arc<AtomicUsize>,
    stop: CancellationToken,
) {
    while let Some(event) = events.recv().await {
        if let Err(fault) = send(control.as_ref(), &event, &stop).await {
            log_lost(&event, &fault);
        }
        waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Sends until it arrives, is refused for good, or the node ends.
async fn send(
    control: &dyn ControlPlane,
    event: &FileEvent,
    stop: &CancellationToken,
) -> Result<(), Fault> {
    let mut backoff = backoff();
    loop {
        let sent = tokio::select! {
            biased;
            () = stop.cancelled() => return Err(ended()),
            sent = control.dispatch(event.clone()) => sent,
        };
        match sent {
            Err(fault) if fault.is_transient() => backoff.pause(stop).await,
            sent => return sent,
        }
    }
}

fn log_lost(event: &FileEvent, fault: &Fault) {
    tracing::error!(
        sender = "sftpd",
        event = %event.id.0,
        action = event.action.name(),
        username = %event.username,
        file_path = %event.path,
        target_path = %event.target_path,
        error = %fault,
        "an event is lost"
    );
}
