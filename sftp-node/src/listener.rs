//! The accept loop: takes sockets, keeps the limit of connections, hands them to the threads.

mod hangup;
pub(crate) mod serve;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::Fault;
use tokio_util::sync::CancellationToken;

use crate::config::SftpdConfig;
use crate::context::NodeContext;
use crate::workers::Workers;

/// Pause after an accept that failed, for example for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Opens the port of section `sftpd`.
///
/// # Errors
/// `Unavailable` for a port that is taken, `InvalidInput` for an address that cannot be parsed.
pub(crate) fn bind(config: &SftpdConfig) -> Result<TcpListener, Fault> {
    ferryd_runtime::listen::bind(&config.bind_address, config.bind_port)
}

/// Accepts until `shutdown`, then waits for the connections to drain.
///
/// # Errors
/// `Unavailable` when the threads cannot be started.
pub(crate) async fn run(
    listener: TcpListener,
    context: Arc<NodeContext>,
    shutdown: CancellationToken,
) -> Result<(), Fault> {
    let fault = |error| Fault::unavailable("sftp listener").because(error);
    let listener = tokio::net::TcpListener::from_std(listener).map_err(fault)?;
    let workers = Workers::start(&context, &shutdown).map_err(fault)?;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => take(&workers, &context, socket, peer),
                Err(error) => {
                    tracing::warn!(sender = "sftpd", %error, "accept failed");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    workers.join().await;
    Ok(())
}

fn take(
    workers: &Workers,
    context: &NodeContext,
    socket: tokio::net::TcpStream,
    peer: std::net::SocketAddr,
) {
    let limit = context.config.max_connections;
    if limit > 0 && workers.connections() >= limit {
        tracing::warn!(sender = "sftpd", %peer, limit, "connection refused: the limit is reached");
        return;
    }
    match socket.set_nodelay(true).and_then(|()| socket.into_std()) {
        Ok(socket) => workers.take(socket, peer),
        Err(error) => tracing::debug!(sender = "sftpd", %peer, %error, "connection lost at once"),
    }
}

#[cfg(test)]
mod tests;
