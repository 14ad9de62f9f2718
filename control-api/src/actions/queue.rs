//! A bounded queue of events in front of one receiver, and the task that empties it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::Fault;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::report::{Destination, Event, log_dropped};

/// Events that may wait for one receiver.
const QUEUE: usize = 10_000;

/// Something that is told of events.
#[async_trait]
pub(super) trait Receiver<E>: fmt::Debug + Send + Sync + 'static {
    /// Returns what the log calls it.
    fn destination(&self) -> Destination<'_>;

    /// Tells it, within its time limit. Attempts that fail are logged and counted.
    async fn tell(&self, event: &E);
}

/// A queue and its task.
#[derive(Debug)]
pub(super) struct Queue<E> {
    sender: mpsc::Sender<Arc<E>>,
    receiver: Arc<dyn Receiver<E>>,
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    open: Arc<Open<E>>,
}

/// A place in a queue.
pub(super) struct Place<'a, E> {
    permit: mpsc::Permit<'a, Arc<E>>,
    open: &'a Open<E>,
}

/// The events that are queued or being told, so that a shutdown can name what it drops.
#[derive(Debug)]
struct Open<E>(Mutex<BTreeMap<EventKey, (Arc<E>, usize)>>);

type EventKey = String;

impl<E: Event> Queue<E> {
    /// Starts the task, which tells so many events at once.
    pub(super) fn start(receiver: Arc<dyn Receiver<E>>, at_once: usize) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(false);
        let open = Arc::new(Open(Mutex::default()));
        let work = empty(events, stopped, Arc::clone(&receiver), at_once, Arc::clone(&open));
        Self { sender, receiver, stop, task: Mutex::new(Some(tokio::spawn(work))), open }
    }

    /// Returns a place for an event.
    pub(super) fn place(&self) -> Result<Place<'_, E>, Fault> {
        let permit =
            self.sender.try_reserve().map_err(|_| Fault::unavailable("too many events wait"))?;
        Ok(Place { permit, open: &self.open })
    }

    /// Logs an event that is not told, because the queues take no more.
    pub(super) fn drop_event(&self, event: &E) {
        log_dropped(event, self.receiver.destination(), "too many events wait, one is dropped");
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
        for (event, _) in self.open.0.lock().values() {
            let destination = self.receiver.destination();
            log_dropped(event.as_ref(), destination, "an event is dropped at the shutdown");
        }
    }
}

impl<E: Event> Place<'_, E> {
    /// Fills the place.
    pub(super) fn put(self, event: Arc<E>) {
        let key = event.id().to_owned();
        self.open.0.lock().entry(key).or_insert_with(|| (Arc::clone(&event), 0)).1 += 1;
        self.permit.send(event);
    }
}

impl<E: Event> Open<E> {
    fn done(&self, id: &str) {
        let mut events = self.0.lock();
        if let Some((_, count)) = events.get_mut(id) {
            *count -= 1;
            if *count == 0 {
                events.remove(id);
            }
        }
    }
}

async fn empty<E: Event>(
    mut events: mpsc::Receiver<Arc<E>>,
    mut stopped: watch::Receiver<bool>,
    receiver: Arc<dyn Receiver<E>>,
    at_once: usize,
    open: Arc<Open<E>>,
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
            receiver.tell(&event).await;
            open.done(event.id());
        });
    }
    while running.join_next().await.is_some() {}
}
