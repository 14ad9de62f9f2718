//! The thread that takes new sockets. It waits for nothing else: a runtime would ask the kernel
//! four times more for each of them, to watch a socket that goes to another thread at once.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use ferryd_domain::Fault;
use rustix::net::{Shutdown, shutdown};
use tokio_util::sync::CancellationToken;

use super::workers::Workers;
use crate::context::NodeContext;

/// Pause after an accept that failed, for example for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// The thread and what it works with.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: Arc<TcpListener>,
    thread: Option<thread::JoinHandle<Workers>>,
    ended: CancellationToken,
}

impl Acceptor {
    /// Starts the thread.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn start(
        listener: TcpListener,
        workers: Workers,
        context: Arc<NodeContext>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        let listener = Arc::new(listener);
        let shared = Arc::clone(&listener);
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let thread = thread::Builder::new().name("accept".to_owned()).spawn(move || {
            accept(&shared, &workers, &context);
            drop((shared, guard));
            workers
        })?;
        Ok(Self { listener, thread: Some(thread), ended })
    }

    /// Waits until the thread ends by itself, which only a defect makes it do.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Closes the port, ends the thread, and returns the threads of the connections.
    ///
    /// # Errors
    /// `Internal` when the thread has panicked.
    pub fn stop(mut self) -> Result<Workers, Fault> {
        self.close();
        let ended = self.thread.take().map(thread::JoinHandle::join);
        ended.and_then(Result::ok).ok_or_else(|| Fault::internal("the accepting thread panicked"))
    }

    /// Ends the wait for a connection: accept(2) fails with EINVAL from now on.
    fn close(&self) {
        if let Err(error) = shutdown(&self.listener, Shutdown::Both) {
            tracing::warn!(sender = "sftpd", %error, "the port cannot be closed");
        }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.close();
        }
    }
}

/// Accepts until the socket does not listen any more.
fn accept(listener: &TcpListener, workers: &Workers, context: &NodeContext) {
    loop {
        match listener.accept() {
            Ok((socket, peer)) => take(workers, context, socket, peer),
            // The socket listens no more.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => {
                tracing::warn!(sender = "sftpd", %error, "accept failed");
                thread::sleep(PAUSE);
            }
        }
    }
}

fn take(workers: &Workers, context: &NodeContext, socket: TcpStream, peer: SocketAddr) {
    let limit = context.config.max_connections;
    if limit > 0 && workers.connections() >= limit {
        tracing::warn!(sender = "sftpd", %peer, limit, "connection refused: the limit is reached");
        return;
    }
    match socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true)) {
        Ok(()) => workers.take(socket, peer),
        Err(error) => tracing::debug!(sender = "sftpd", %peer, %error, "connection lost at once"),
    }
}
