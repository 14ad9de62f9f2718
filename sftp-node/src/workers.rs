//! The threads that serve connections: one per core, each with a runtime of its own, so that a
//! connection's tasks share a thread and its caches.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::context::NodeContext;
use crate::listener::serve;

/// Accepted sockets that may wait for a thread.
const BACKLOG: usize = 256;

/// One accepted connection.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// The socket, not blocking.
    pub socket: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
}

#[derive(Debug)]
struct Worker {
    queue: mpsc::Sender<Accepted>,
    connections: Arc<AtomicUsize>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The threads.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Worker>);

impl Workers {
    /// Starts one thread per core.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn start(context: &Arc<NodeContext>, stop: &CancellationToken) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        (0..count)
            .map(|index| Worker::start(index, context, stop))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        self.0.iter().map(|worker| worker.connections.load(Ordering::Relaxed)).sum()
    }

    /// Hands a connection to the thread with the fewest. A full queue drops the connection.
    pub fn take(&self, accepted: Accepted) {
        let idlest = self.0.iter().min_by_key(|worker| worker.connections.load(Ordering::Relaxed));
        if let Some(worker) = idlest {
            worker.connections.fetch_add(1, Ordering::Relaxed);
            if worker.queue.try_send(accepted).is_err() {
                worker.connections.fetch_sub(1, Ordering::Relaxed);
                tracing::warn!(sender = "sftpd", "a connection was dropped: too many are waiting");
            }
        }
    }

    /// Waits for the threads; they end when their connections have.
    pub async fn join(self) {
        let waiting = tokio::task::spawn_blocking(move || {
            for mut worker in self.0 {
                drop(worker.queue);
                if let Some(thread) = worker.thread.take()
                    && thread.join().is_err()
                {
                    tracing::error!(sender = "sftpd", "a connection thread panicked");
                }
            }
        });
        if waiting.await.is_err() {
            tracing::error!(sender = "sftpd", "waiting for the connection threads failed");
        }
    }
}

impl Worker {
    fn start(
        index: usize,
        context: &Arc<NodeContext>,
        stop: &CancellationToken,
    ) -> io::Result<Self> {
        let (queue, accepted) = mpsc::channel(BACKLOG);
        let connections = Arc::new(AtomicUsize::new(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = run(accepted, Arc::clone(context), stop.clone(), Arc::clone(&connections));
        let thread = thread::Builder::new()
            .name(format!("sftp-{index}"))
            .spawn(move || runtime.block_on(run))?;
        Ok(Self { queue, connections, thread: Some(thread) })
    }
}

/// A connection that counts until this is dropped, also by a defect in its task.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn run(
    mut accepted: mpsc::Receiver<Accepted>,
    context: Arc<NodeContext>,
    stop: CancellationToken,
    connections: Arc<AtomicUsize>,
) {
    let tasks = TaskTracker::new();
    while let Some(connection) = accepted.recv().await {
        let served = serve::serve(connection, Arc::clone(&context), stop.clone());
        let counted = Counted(Arc::clone(&connections));
        tasks.spawn(async move {
            served.await;
            drop(counted);
        });
    }
    tasks.close();
    tasks.wait().await;
}
