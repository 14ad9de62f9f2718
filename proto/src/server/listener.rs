//! Where nodes connect: a TCP port, or a unix socket that only the owner may use.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use ferryd_domain::Fault;
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Router, TcpIncoming};

use crate::config::GrpcServerConfig;
use crate::link::{allow_plain_text, bare_host, socket_path};

/// An open listener.
pub(super) enum Listener {
    /// On a port.
    Tcp(TcpListener, SocketAddr),
    /// On a socket file.
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Opens the listener that the configuration asks for.
    pub(super) async fn bind(
        config: &GrpcServerConfig,
        directory: &Path,
        encrypted: bool,
    ) -> Result<Self, Fault> {
        match socket_path(&config.bind_address) {
            Some(path) => bind_socket(directory.join(path)).await,
            None => bind_port(config, encrypted).await,
        }
    }

    /// Returns the address in the form of the node's `url`.
    pub(super) fn url(&self, encrypted: bool) -> String {
        match self {
            Self::Tcp(_, address) if encrypted => format!("https://{address}"),
            Self::Tcp(_, address) => format!("http://{address}"),
            Self::Unix(_, path) => format!("unix:{}", path.display()),
        }
    }

    /// Tells whether anybody on this host can connect.
    pub(super) fn is_open_to_local_users(&self) -> bool {
        matches!(self, Self::Tcp(..))
    }

    /// Serves until the stop signal and the end of the calls that then run.
    pub(super) async fn serve(
        self,
        router: Router,
        shutdown: CancellationToken,
    ) -> Result<(), Fault> {
        let stop = shutdown.cancelled_owned();
        let result = match self {
            Self::Tcp(listener, _) => {
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                router.serve_with_incoming_shutdown(incoming, stop).await
            }
            Self::Unix(listener, _) => {
                router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop).await
            }
        };
        result.map_err(|error| Fault::failed("the gRPC listener broke").because(error))
    }
}

async fn bind_port(config: &GrpcServerConfig, encrypted: bool) -> Result<Listener, Fault> {
    let host = match bare_host(&config.bind_address) {
        "" => "::",
        host => host,
    };
    let failed = |error| {
        let address = format!("{}:{}", config.bind_address, config.bind_port);
        Fault::failed(format!("cannot listen for nodes on {address}")).because(error)
    };
    let addresses = tokio::net::lookup_host((host, config.bind_port)).await.map_err(failed)?;
    let addresses: Vec<SocketAddr> = addresses.collect();
    if !encrypted {
        addresses.iter().try_for_each(|address| allow_plain_text(address.ip()))?;
    }
    let listener = TcpListener::bind(addresses.as_slice()).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Listener::Tcp(listener, address))
}

async fn bind_socket(path: PathBuf) -> Result<Listener, Fault> {
    let failed = |error| {
        Fault::failed(format!("cannot listen for nodes on {}", path.display())).because(error)
    };
    remove_stale(&path).await.map_err(failed)?;
    let listener = UnixListener::bind(&path).map_err(failed)?;
    let owner_only = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&path, owner_only).map_err(failed)?;
    Ok(Listener::Unix(listener, path))
}

/// Removes a socket that an ended process has left behind; a live one stays and binding fails.
#[expect(clippy::disallowed_methods, reason = "the listener owns its socket")]
async fn remove_stale(path: &Path) -> std::io::Result<()> {
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
