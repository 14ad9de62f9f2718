//! The threads that serve connections: one per core, each with a runtime of its own, so that a
//! connection's tasks share a thread and its caches. A new connection goes where the least is going
//! on: see [`load`].

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

use crate::load::{self, Kind, Load, Weight};

/// Accepted sockets that may wait for a thread.
const BACKLOG: usize = 256;

/// One accepted connection.
#[derive(Debug)]
pub(super) struct Accepted {
    /// The socket, not blocking.
    pub socket: TcpStream,
    /// The other end.
    pub peer: SocketAddr,
    /// What it weighs until the login.
    pub weight: Weight,
}

#[derive(Debug)]
struct Worker {
    queue: mpsc::Sender<Accepted>,
    load: Arc<Load>,
    thread: Option<thread::JoinHandle<()>>,
}

/// The threads.
#[derive(Debug)]
pub(super) struct Workers(Vec<Worker>);

impl Workers {
    /// Starts one thread per core; each serves its connections with `serve`.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(Accepted) -> F + Clone + Send + 'static,
    ) -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, usize::from);
        (0..count)
            .map(|index| Worker::start(index, serve.clone()))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        self.0.iter().map(|worker| worker.load.connections()).sum()
    }

    /// Hands a connection to the thread with the least load. A full queue drops the connection.
    pub fn take(&self, socket: TcpStream, peer: SocketAddr) {
        if let Some(worker) = self.0.iter().min_by_key(|worker| worker.load.total()) {
            let weight = worker.load.put_on(Kind::LoggingIn);
            if worker.queue.try_send(Accepted { socket, peer, weight }).is_err() {
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
    fn start<F: Future<Output = ()> + Send + 'static>(
        index: usize,
        serve: impl Fn(Accepted) -> F + Send + 'static,
    ) -> io::Result<Self> {
        let (queue, accepted) = mpsc::channel(BACKLOG);
        let load = Arc::new(Load::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let run = run(accepted, serve);
        let mine = Arc::clone(&load);
        let thread = thread::Builder::new().name(format!("sftp-{index}")).spawn(move || {
            load::belongs_to_this_thread(mine);
            runtime.block_on(run);
        })?;
        Ok(Self { queue, load, thread: Some(thread) })
    }
}

async fn run<F: Future<Output = ()> + Send + 'static>(
    mut accepted: mpsc::Receiver<Accepted>,
    serve: impl Fn(Accepted) -> F,
) {
    let tasks = TaskTracker::new();
    while let Some(connection) = accepted.recv().await {
        tasks.spawn(serve(connection));
    }
    tasks.close();
    tasks.wait().await;
}
