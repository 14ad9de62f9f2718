//! The port: sockets are taken, the limit of connections is kept, the threads get them.

mod acceptor;
mod serve;
mod workers;

use std::net::TcpListener;
use std::sync::Arc;

use ferryd_domain::Fault;
use tokio_util::sync::CancellationToken;

use crate::config::SftpdConfig;
use crate::context::NodeContext;
use acceptor::Acceptor;
use workers::Workers;

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
/// `Unavailable` when the threads cannot be started, `Internal` when the one that accepts panics.
pub(crate) async fn run(
    listener: TcpListener,
    context: Arc<NodeContext>,
    shutdown: CancellationToken,
) -> Result<(), Fault> {
    let fault = |error| Fault::unavailable("sftp listener").because(error);
    let (served, stop) = (Arc::clone(&context), shutdown.clone());
    let serve = move |accepted| serve::serve(accepted, Arc::clone(&served), stop.clone());
    let workers = Workers::start(serve).map_err(fault)?;
    let acceptor = Acceptor::start(listener, workers, context).map_err(fault)?;
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = acceptor.ended() => {}
    }
    acceptor.stop()?.join().await;
    Ok(())
}

#[cfg(test)]
mod tests;
