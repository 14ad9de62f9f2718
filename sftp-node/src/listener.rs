//! The port: sockets are taken, the limit of connections is kept, the threads get them.

mod acceptor;
mod serve;
mod workers;

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::Fault;
use rustix::net::sockopt;
use tokio_util::sync::CancellationToken;

use crate::config::SftpdConfig;
use crate::context::NodeContext;
use acceptor::Acceptor;
use workers::Workers;

/// A silent connection is probed after this time.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between probes that nobody acknowledges.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Probes without acknowledgement after which the other end counts as dead.
const KEEPALIVE_PROBES: u32 = 6;

/// Opens the port of section `sftpd`.
///
/// # Errors
/// `Unavailable` for a port that is taken, `InvalidInput` for an address that cannot be parsed.
pub(crate) fn bind(config: &SftpdConfig) -> Result<TcpListener, Fault> {
    let listener = ferryd_runtime::listen::bind(&config.bind_address, config.bind_port)?;
    keep_alive(&listener)
        .map_err(|error| Fault::unavailable("options of the sftp port").because(error))?;
    Ok(listener)
}

/// Sets what the sockets of connections inherit (tcp(7)). The system of a client acknowledges
/// probes, so that only dead clients end, and silent software may stay as long as `idle_timeout`.
fn keep_alive(listener: &TcpListener) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_PROBES)
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
