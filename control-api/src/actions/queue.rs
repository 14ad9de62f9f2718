//! A bounded queue of events in front of one receiver, and the task that empties it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::{AccountEvent, EventId, Fault, FileEvent};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Events that may wait for one receiver.
const QUEUE: usize = 10_000;

/// An event with an id.
pub(super) trait Event: Clone + fmt::Debug + Send + Sync + 'static {
    /// Returns the id for the log.
    fn id(&self) -> &EventId;
}

impl Event for FileEvent {
    fn id(&self) -> &EventId {
        &self.id
    }
}

impl Event for AccountEvent {
    fn id(&self) -> &EventId {
        &self.id
    }
}

/// Something that is told of events.
#[async_trait]
pub(super) trait Receiver<E>: fmt::Debug + Send + Sync + 'static {
    /// Tells it, within its time limit.
    async fn tell(&self, event: &E) -> Result<(), Fault>;
}

/// A queue and its task.
#[derive(Debug)]
pub(super) struct Queue<E> {
    sender: mpsc::Sender<E>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    open: Arc<Open>,
}

/// A place in a queue.
pub(super) struct Place<'a, E> {
    permit: mpsc::Permit<'a, E>,
    open: &'a Open,
}

/// The events that are queued or being told, so that a shutdown can name what it drops.
#[derive(Debug, Default)]
struct Open(Mutex<BTreeMap<EventKey, usize>>);

type EventKey = String;

impl<E: Event> Queue<E> {
    /// Starts the task, which tells so many events at once.
    pub(super) fn start(receiver: Arc<dyn Receiver<E>>, at_once: usize) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(false);
        let open = Arc::new(Open::default());
        let work = empty(events, stopped, receiver, at_once, Arc::clone(&open));
        Self { sender, stop, task: Mutex::new(Some(tokio::spawn(work))), open }
    }

    /// Returns a place for an event.
    pub(super) fn place(&self) -> Result<Place<'_, E>, Fault> {
        let permit =
            self.sender.try_reserve().map_err(|_| Fault::unavailable("too many events wait"))?;
        Ok(Place { permit, open: &self.open })
    }

    /// Takes no more, waits this long for the rest and logs what is dropped then.
    pub(super) async fn shutdown(&self, limit: Duration) {
        self.stop.send_replace(true);
        let task = self.task.lock().take();
        let Some(mut task) = task else { return };
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
            let _ = task.await;
        }
        for event in self.open.0.lock().keys() {
            tracing::warn!(sender = "actions", %event, "an event is dropped at the shutdown");
        }
    }
}

impl<E: Event> Place<'_, E> {
    /// Fills the place.
    pub(super) fn put(self, event: E) {
        *self.open.0.lock().entry(event.id().0.clone()).or_default() += 1;
        self.permit.send(event);
    }
}

impl Open {
    fn done(&self, id: &EventId) {
        let mut events = self.0.lock();
        if let Some(count) = events.get_mut(&id.0) {
            *count -= 1;
            if *count == 0 {
                events.remove(&id.0);
            }
        }
    }
}

async fn empty<E: Event>(
    mut events: mpsc::Receiver<E>,
    mut stopped: watch::Receiver<bool>,
    receiver: Arc<dyn Receiver<E>>,
    at_once: usize,
    open: Arc<Open>,
) {
    let mut running = JoinSet::new();
    loop {
        let event = tokio::select! {
            event = events.recv(), if running.len() < at_once => event,
            Some(_) = running.join_next(), if !running.is_empty() => continue,
            // Also when the queue itself is gone: what waits in it is still told.
            _ = stopped.changed(), if !events.is_closed() => {
                events.close();
                continue;
            }
        };
        let Some(event) = event else { break };
        let (receiver, open) = (Arc::clone(&receiver), Arc::clone(&open));
        running.spawn(async move {
            if let Err(fault) = receiver.tell(&event).await {
                tracing::warn!(
                    sender = "actions", event = %event.id().0, error = %fault, "an action failed"
                );
            }
            open.done(event.id());
        });
    }
    while running.join_next().await.is_some() {}
}
