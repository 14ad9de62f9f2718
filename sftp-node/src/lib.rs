//! The data plane: speaks SSH and SFTP, serves files, asks the control plane at login and close.
//! `SftpNode::bind` opens the port, `Bound::run` serves until it is told to stop.

pub mod config;
#[cfg(any(test, feature = "testkit"))]
#[doc(hidden)]
pub mod testkit;

mod budget;
mod check;
mod clock;
mod connection;
mod context;
#[cfg(test)]
mod defects;
mod digest;
mod files;
mod host_keys;
mod hosted;
mod ids;
mod intake;
mod key_exchange;
mod listener;
mod load;
mod login_time;
mod node_link;
mod outbox;
mod protocol;
mod quota_scans;
mod session;
mod sftp;
mod ssh;
mod ssh_commands;
mod sweep;
mod transfers;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use ferryd_control_plane::ControlPlane;
use ferryd_domain::Fault;
use tokio_util::sync::CancellationToken;

pub use check::check;
pub use config::SftpdConfig;
use context::NodeContext;

/// The data plane before it has a port.
#[derive(Debug)]
pub struct SftpNode;

/// A data plane that has its port and serves nobody yet.
#[derive(Debug)]
pub struct Bound {
    listener: std::net::TcpListener,
    address: SocketAddr,
    context: Arc<NodeContext>,
}

impl SftpNode {
    /// Loads the host keys, making them when missing, and opens the port.
    ///
    /// # Errors
    /// `InvalidInput` for settings that cannot work, `Unavailable` for a port that is taken.
    pub async fn bind(
        config: SftpdConfig,
        config_dir: &Path,
        control_plane: Arc<dyn ControlPlane>,
    ) -> Result<Bound, Fault> {
        let context = NodeContext::build(config, config_dir, control_plane)?;
        let listener = listener::bind(&context.config)?;
        let address = listener
            .local_addr()
            .map_err(|error| Fault::unavailable("local address").because(error))?;
        Ok(Bound { listener, address, context: Arc::new(context) })
    }
}

impl Bound {
    /// Returns the address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown`, then lets running transfers go on for the drain time.
    ///
    /// # Errors
    /// `Unavailable` when no thread can be started.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Fault> {
        let link = tokio::spawn(node_link::run(Arc::clone(&self.context), shutdown.clone()));
        let outcome = listener::run(self.listener, Arc::clone(&self.context), shutdown).await;
        link.abort();
        self.context.files.sweep.stop();
        self.context.files.outbox.drain(self.context.drain_timeout()).await;
        outcome
    }
}
