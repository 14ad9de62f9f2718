//! `GrpcControlPlane`: the control plane as a node sees it over the network. Connects when it is
//! first used and again after each loss; while the other end is away, calls fail at once.

mod dialog;
mod node_commands;
mod reachability;

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_control_plane::{
    ConnectionId, ControlPlane, DialogStart, Grant, GrantRequest, LoginAttempt, LoginDialog,
    LoginOutcome, NodeCommands, NodeInfo, NodeReport, ScanOutcome, SessionLease, SessionStart,
    UsageChange,
};
use ferryd_domain::{Fault, FileEvent, QuotaUsage, Username};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

use crate::config::GrpcClientConfig;
use crate::convert::fault::{deadline_exceeded, from_status};
use crate::link::{
    MAX_METADATA, PING_INTERVAL, PING_LIMIT, allow_plain_text, bare_host, socket_path,
};
use crate::node_auth::Badge;
use crate::wire::control_plane_client::ControlPlaneClient;
use crate::{MAX_MESSAGE, tls, wire};
use reachability::Reachability;

type Client = ControlPlaneClient<InterceptedService<Channel, Badge>>;

/// Limit of a login step: programs behind it may take a minute, and may have to queue.
const LOGIN_LIMIT: Duration = Duration::from_secs(90);

/// Limit of every other call.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// Limit of taking a place: after a restart the other end may have to wait for the nodes it had.
const PLACE_LIMIT: Duration = Duration::from_secs(20);

/// Limit of connecting.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The control plane at the other end of a connection.
pub struct GrpcControlPlane {
    client: Client,
    reachability: Reachability,
}

impl GrpcControlPlane {
    /// Returns the control plane at the configured address. Nothing is connected yet.
    ///
    /// # Errors
    /// `InvalidInput` for a setting that cannot be used or is not safe.
    pub fn new(config: &GrpcClientConfig, directory: &Path) -> Result<Self, Fault> {
        let token = tls::token(&config.node_token, &config.node_token_file, directory)?;
        let channel = endpoint(config, directory)?
            .connect_timeout(CONNECT_LIMIT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_LIMIT)
            .keep_alive_while_idle(true)
            .http2_max_header_list_size(MAX_METADATA)
            .connect_lazy();
        let client = ControlPlaneClient::with_interceptor(channel, Badge::new(token)?)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE);
        Ok(Self { client, reachability: Reachability::new(config.url.clone()) })
    }

    /// Makes one call within its limit and returns the domain form of the answer.
    async fn call<'a, M, W, D, F>(
        &'a self,
        limit: Duration,
        message: M,
        call: impl FnOnce(Client, Request<M>) -> F + Send + 'a,
    ) -> Result<D, Fault>
    where
        M: Send + 'a,
        F: Future<Output = Result<Response<W>, Status>> + Send,
        D: TryFrom<W, Error = Fault>,
    {
        let mut request = Request::new(message);
        // The other end stops working on it a little later than we stop waiting.
        request.set_timeout(limit + Duration::from_secs(1));
        let answer = self.reachability.watch(call(self.client.clone(), request));
        within(limit, answer).await?.into_inner().try_into()
    }
}

/// Waits for an answer up to a limit.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>> + Send,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(from_status),
        Err(_) => Err(deadline_exceeded()),
    }
}

fn endpoint(config: &GrpcClientConfig, directory: &Path) -> Result<Endpoint, Fault> {
    let invalid = |error| {
        Fault::invalid(format!("control_plane.url {} cannot be used", config.url)).because(error)
    };
    if let Some(path) = socket_path(&config.url) {
        let path = directory.join(path);
        return Endpoint::from_shared(format!("unix:{}", path.display())).map_err(invalid);
    }
    let endpoint = Endpoint::from_shared(config.url.clone()).map_err(invalid)?;
    match endpoint.uri().scheme_str() {
        Some("https") => endpoint.tls_config(tls::of_client(config, directory)?).map_err(invalid),
        Some("http") => allow_host(endpoint.uri().host()).map(|()| endpoint),
        Some(_) | None => Err(Fault::invalid("control_plane.url needs https://, http:// or unix:")),
    }
}

fn allow_host(host: Option<&str>) -> Result<(), Fault> {
    let host = bare_host(host.unwrap_or_default());
    match host.parse() {
        Ok(address) => allow_plain_text(address),
        Err(_) if host.eq_ignore_ascii_case("localhost") => Ok(()),
        Err(_) => Err(Fault::invalid(format!(
            "plain text to {host} is refused, use https or a loopback address"
        ))),
    }
}

impl fmt::Debug for GrpcControlPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcControlPlane")
            .field("url", &self.reachability.url())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl ControlPlane for GrpcControlPlane {
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault> {
        let message = wire::LoginAttempt::from(attempt);
        self.call(LOGIN_LIMIT, message, async |mut client: Client, m| client.authenticate(m).await)
            .await
    }

    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault> {
        let dialog = dialog::start(self.client.clone(), &self.reachability, start).await?;
        Ok(Box::new(dialog))
    }

    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault> {
        let message = wire::SessionStart::from(start);
        self.call(PLACE_LIMIT, message, async |mut client: Client, m| client.open_session(m).await)
            .await
    }

    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault> {
        let message = wire::CloseSessionRequest::from(session);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.close_session(m).await)
            .await
    }

    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault> {
        node_commands::attach(self.client.clone(), &self.reachability, node).await
    }

    async fn report(&self, report: NodeReport) -> Result<(), Fault> {
        let message = wire::NodeReport::from(report);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.report(m).await).await
    }

    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        let message = wire::ScanOutcome::from(outcome);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.finish_scan(m).await)
            .await
    }

    async fn quota_usage(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        let message = wire::QuotaUsageRequest::from(user);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| {
            client.get_quota_usage(m).await
        })
        .await
    }

    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault> {
        let message = wire::GrantRequest::from(request);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.reserve(m).await).await
    }

    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault> {
        let message = wire::UsageChange::from(change);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.change_usage(m).await)
            .await
    }

    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault> {
        let message = wire::FileEvent::from(event);
        self.call(CALL_LIMIT, message, async |mut client: Client, m| client.dispatch(m).await).await
    }
}
