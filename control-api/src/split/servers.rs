//! The two listeners, gRPC for nodes and HTTP for administrators: opened together, ended together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control_api::ControlApi;
use control_api::rest::{self, HttpdConfig};
use ferryd_domain::Fault;
use ferryd_proto::{BoundServer, GrpcServer};
use ferryd_runtime::CancellationToken;
use tokio::net::TcpListener;

use super::settings::Settings;

/// How long running actions may take at the end.
const ACTIONS_LIMIT: Duration = Duration::from_secs(5);

/// Open listeners that serve nobody yet.
pub(super) struct Servers {
    nodes: BoundServer,
    http: Option<TcpListener>,
    scheme: &'static str,
}

/// Where they listen.
pub(super) struct Addresses {
    /// The URL for nodes.
    pub(super) nodes: String,
    /// The URL of REST, `None` when it is off.
    pub(super) http: Option<String>,
}

impl Servers {
    /// Opens both ports, so that one that is taken shows before the data provider is touched.
    pub(super) async fn bind(settings: &Settings, directory: &Path) -> Result<Self, Fault> {
        let nodes = GrpcServer::bind(&settings.grpc, directory).await?;
        let scheme = if settings.httpd.certificate_file.is_empty() { "http" } else { "https" };
        Ok(Self { nodes, http: bind_http(&settings.httpd)?, scheme })
    }

    /// Returns where they listen.
    pub(super) fn addresses(&self) -> Addresses {
        let address = self.http.as_ref().and_then(|listener| listener.local_addr().ok());
        let http = address.map(|address| format!("{}://{address}", self.scheme));
        Addresses { nodes: self.nodes.url(), http }
    }

    /// Serves until the stop signal or until one of them breaks; then writes what waits.
    pub(super) async fn run(
        self,
        api: &ControlApi,
        shutdown: CancellationToken,
    ) -> Result<(), Fault> {
        let control_plane = Arc::clone(&api.control_plane);
        let nodes = self.nodes.run(control_plane, shutdown.clone());
        let (nodes, http) = tokio::join!(
            ending(nodes, &shutdown),
            ending(serve_http(self.http, api, &shutdown), &shutdown),
        );
        api.shutdown(ACTIONS_LIMIT).await.and(nodes).and(http)
    }
}

fn bind_http(config: &HttpdConfig) -> Result<Option<TcpListener>, Fault> {
    if config.bind_port == 0 {
        return Ok(None);
    }
    let listener = ferryd_runtime::bind(&config.bind_address, config.bind_port)?;
    let listener = TcpListener::from_std(listener);
    listener.map(Some).map_err(|error| Fault::failed("HTTP listener").because(error))
}

async fn serve_http(
    listener: Option<TcpListener>,
    api: &ControlApi,
    shutdown: &CancellationToken,
) -> Result<(), Fault> {
    match listener {
        Some(listener) => {
            rest::serve(listener, api.rest.clone(), api.tls.clone(), shutdown.clone()).await
        }
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    }
}

/// Runs one server; when it ends, for whatever reason, the other one is to end as well.
async fn ending(
    server: impl Future<Output = Result<(), Fault>>,
    shutdown: &CancellationToken,
) -> Result<(), Fault> {
    let outcome = server.await;
    shutdown.cancel();
    outcome
}
