//! The two listeners, gRPC for nodes and HTTP for administrators: opened together, ended together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control_api::ControlApi;
use control_api::rest::HttpPort;
use ferryd_domain::Fault;
use ferryd_proto::{BoundServer, GrpcServer};
use ferryd_runtime::CancellationToken;
use ferryd_runtime::program::ends_all;

use super::settings::Settings;

/// How long running actions may take at the end.
const ACTIONS_LIMIT: Duration = Duration::from_secs(5);

/// Open listeners that serve nobody yet.
pub(super) struct Servers {
    nodes: BoundServer,
    http: HttpPort,
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
        Ok(Self { nodes, http: HttpPort::bind(&settings.httpd)? })
    }

    /// Returns where they listen.
    pub(super) fn addresses(&self) -> Addresses {
        Addresses { nodes: self.nodes.url(), http: self.http.url() }
    }

    /// Serves until the stop signal or until one of them breaks; then writes what waits.
    pub(super) async fn run(
        self,
        api: &ControlApi,
        shutdown: CancellationToken,
    ) -> Result<(), Fault> {
        let control_plane = Arc::clone(&api.control_plane);
        let nodes = self.nodes.run(control_plane, shutdown.clone());
        let http = self.http.serve(api.rest.clone(), api.tls.clone(), shutdown.clone());
        let (nodes, http) = tokio::join!(ends_all(nodes, &shutdown), ends_all(http, &shutdown));
        api.shutdown(ACTIONS_LIMIT).await.and(nodes).and(http)
    }
}
