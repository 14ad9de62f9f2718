//! The control plane's end of the link: serves any `ControlPlane` to nodes.
//! Binding and serving are two steps, so that failures to bind are told apart.

mod dialog;
mod listener;
mod service;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::ControlPlane;
use ferryd_domain::Fault;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::ServerTlsConfig;
use tonic::transport::server::Router;

use crate::config::GrpcServerConfig;
use crate::link::{MAX_METADATA, PING_INTERVAL, PING_LIMIT};
use crate::node_auth::Gate;
use crate::wire::control_plane_server::ControlPlaneServer;
use crate::{MAX_MESSAGE, tls};
use listener::Listener;
use service::{Service, Stop};

/// Calls of one node at once. Logins may take a minute each and must not hold up short calls.
const MAX_CALLS: u32 = 16_384;

/// How long running calls may take after the stop signal.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// How long it may take to tell the nodes that their calls were given up.
const CUT_LIMIT: Duration = Duration::from_secs(1);

/// Makes a [`BoundServer`].
#[derive(Debug)]
pub struct GrpcServer;

impl GrpcServer {
    /// Reads certificates and token and listens nowhere.
    ///
    /// # Errors
    /// `InvalidInput` for a setting that cannot be used or is not safe.
    pub fn check(config: &GrpcServerConfig, directory: &Path) -> Result<(), Fault> {
        secured(config, directory).map(drop)
    }

    /// Reads certificates and token and opens the listener.
    ///
    /// # Errors
    /// `InvalidInput` for a setting that cannot be used or is not safe; `Failed` when the address
    /// cannot be bound.
    pub async fn bind(config: &GrpcServerConfig, directory: &Path) -> Result<BoundServer, Fault> {
        let (tls, gate) = secured(config, directory)?;
        let listener = Listener::bind(config, directory, tls.is_some()).await?;
        if tls.is_none() && gate.is_open() && listener.is_open_to_local_users() {
            tracing::warn!(
                sender = "grpc",
                "without node_token every user of this host may act as a node"
            );
        }
        Ok(BoundServer { listener, tls, gate })
    }
}

fn secured(
    config: &GrpcServerConfig,
    directory: &Path,
) -> Result<(Option<ServerTlsConfig>, Gate), Fault> {
    let tls = tls::of_server(config, directory)?;
    let gate = Gate::new(tls::token(&config.node_token, &config.node_token_file, directory)?);
    if tls.is_some() && gate.is_open() && config.client_ca_file.is_empty() {
        return Err(Fault::invalid("TLS needs client_ca_file or node_token to know the nodes"));
    }
    Ok((tls, gate))
}

/// A listener that serves nobody yet.
pub struct BoundServer {
    listener: Listener,
    tls: Option<ServerTlsConfig>,
    gate: Gate,
}

impl BoundServer {
    /// Returns the address that nodes put into `url`.
    pub fn url(&self) -> String {
        self.listener.url(self.tls.is_some())
    }

    /// Serves nodes until the stop signal; then ends command streams and dialogs and gives
    /// running calls a few seconds.
    ///
    /// # Errors
    /// `InvalidInput` for certificates that cannot be used, `Failed` when the listener breaks.
    pub async fn run(
        self,
        control_plane: Arc<dyn ControlPlane>,
        shutdown: CancellationToken,
    ) -> Result<(), Fault> {
        let stop = Stop { begin: shutdown, cut: CancellationToken::new() };
        let router = router(self.tls, self.gate, Service::new(control_plane, stop.clone()))?;
        let serving = self.listener.serve(router, stop.begin.clone());
        tokio::pin!(serving);
        tokio::select! {
            result = &mut serving => return result,
            () = overdue(&stop.begin, DRAIN_LIMIT) => stop.cut.cancel(),
        }
        tracing::warn!(sender = "grpc", "calls that did not end in time were given up");
        tokio::time::timeout(CUT_LIMIT, serving).await.unwrap_or(Ok(()))
    }
}

async fn overdue(shutdown: &CancellationToken, limit: Duration) {
    shutdown.cancelled().await;
    tokio::time::sleep(limit).await;
}

fn router(tls: Option<ServerTlsConfig>, gate: Gate, service: Service) -> Result<Router, Fault> {
    let mut server = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(PING_INTERVAL))
        .http2_keepalive_timeout(Some(PING_LIMIT))
        .http2_max_header_list_size(MAX_METADATA)
        .max_concurrent_streams(MAX_CALLS);
    if let Some(tls) = tls {
        server = server.tls_config(tls).map_err(|error| {
            Fault::invalid(
                "certificate_file, certificate_key_file or client_ca_file cannot be used",
            )
            .because(error)
        })?;
    }
    let service = ControlPlaneServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE)
        .max_encoding_message_size(MAX_MESSAGE);
    Ok(server.add_service(InterceptedService::new(service, gate)))
}

impl std::fmt::Debug for BoundServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoundServer").field("url", &self.url()).finish_non_exhaustive()
    }
}
