//! Starts both ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{ConnectionId, ControlPlane, Credential, LoginAttempt};
use ferryd_domain::{Fault, Secret, Username};
use ferryd_proto::{GrpcClientConfig, GrpcControlPlane, GrpcServer, GrpcServerConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::desk::{Desk, Watch};

/// A served desk.
pub struct Served {
    pub desk: Arc<Desk>,
    pub watch: Watch,
    pub url: String,
    pub shutdown: CancellationToken,
    pub run: JoinHandle<Result<(), Fault>>,
}

/// Where the certificates of the tests are.
pub fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates")
}

/// Returns the default configuration on a free port.
pub fn on_free_port() -> GrpcServerConfig {
    GrpcServerConfig { bind_port: 0, ..GrpcServerConfig::default() }
}

pub async fn serve(config: &GrpcServerConfig) -> Served {
    let bound = GrpcServer::bind(config, &certificates()).await.expect("binds");
    let (desk, watch) = Desk::new();
    let (url, shutdown) = (bound.url(), CancellationToken::new());
    let run = tokio::spawn(bound.run(desk.clone(), shutdown.clone()));
    Served { desk, watch, url, shutdown, run }
}

impl Served {
    /// Stops and waits for the end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        soon(self.run).await.expect("no panic").expect("a clean end");
    }
}

pub fn client(url: &str) -> GrpcControlPlane {
    client_with(GrpcClientConfig { url: url.to_owned(), ..GrpcClientConfig::default() })
}

pub fn client_with(config: GrpcClientConfig) -> GrpcControlPlane {
    GrpcControlPlane::new(&config, &certificates()).expect("a usable configuration")
}

pub fn attempt(username: &str, password: &str) -> LoginAttempt {
    LoginAttempt {
        username: Username::stored(username),
        credential: Credential::Password(Secret::new(password.to_owned())),
        client_address: "[2001:db8::1]:22".parse().unwrap(),
        connection: ConnectionId("c1".into()),
    }
}

/// Logs in with the right password.
pub async fn login(plane: &dyn ControlPlane) -> Result<(), Fault> {
    plane.authenticate(attempt("bob", crate::desk::PASSWORD)).await.map(|_| ())
}

/// Waits for something that must happen.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), what).await.expect("happens in time")
}
