//! `/metrics` and `/healthz` on a port of their own: for programs without the REST API, and for
//! those who watch without credentials. Tells, never changes anything.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ferryd_domain::Fault;
use ferryd_runtime::CancellationToken;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::metrics;

/// Connections at once; a watcher needs one.
const MAX_CONNECTIONS: usize = 16;
/// The longest life of a connection: one request and its answer.
const CONNECTION_LIMIT: Duration = Duration::from_secs(10);
/// The largest headers of a request, in bytes.
const MAX_HEADERS: usize = 16 * 1024;
/// Pause after the system gave no connection, e.g. because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Section `telemetry` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TelemetryConfig {
    /// Empty: all addresses.
    pub bind_address: String,
    /// 0: off.
    pub bind_port: u16,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { bind_address: "127.0.0.1".to_owned(), bind_port: 0 }
    }
}

/// The pages with their port, answering nobody yet.
#[derive(Debug)]
pub struct Pages {
    listener: Option<TcpListener>,
}

impl Pages {
    /// Opens the port, if there is to be one. Must be called within a runtime.
    ///
    /// # Errors
    /// `Unavailable` for a port that is taken.
    pub fn bind(config: &TelemetryConfig) -> Result<Self, Fault> {
        if config.bind_port == 0 {
            return Ok(Self { listener: None });
        }
        let listener = ferryd_runtime::bind(&config.bind_address, config.bind_port)?;
        TcpListener::from_std(listener)
            .map(|listener| Self { listener: Some(listener) })
            .map_err(|error| Fault::unavailable("the telemetry port").because(error))
    }

    /// Returns where they are, `None` when they are off.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listener.as_ref()?.local_addr().ok()
    }

    /// Answers while a server runs. From `shutdown` on the server is not healthy any more:
    /// balancers send new clients elsewhere while it ends its transfers.
    pub async fn beside<T>(
        self,
        server: impl Future<Output = T>,
        shutdown: &CancellationToken,
    ) -> T {
        let Some(listener) = self.listener else { return server.await };
        tokio::select! {
            outcome = server => outcome,
            never = answer_all(&listener, shutdown) => match never {},
        }
    }
}

/// The connections end with this future.
async fn answer_all(listener: &TcpListener, shutdown: &CancellationToken) -> Infallible {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let place = Arc::clone(&places).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let shutdown = shutdown.clone();
                connections.spawn(async move {
                    let _place = place;
                    let _ = tokio::time::timeout(CONNECTION_LIMIT, serve(stream, shutdown)).await;
                });
            }
            Err(error) => {
                tracing::warn!(sender = "telemetry", %error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shutdown: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let page = page(request.method(), request.uri().path(), &shutdown);
        async move { Ok::<_, Infallible>(page) }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .timer(TokioTimer::new())
        .max_buf_size(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(sender = "telemetry", %error, "a connection ended early");
    }
}

fn page(method: &Method, path: &str, shutdown: &CancellationToken) -> Response<Full<Bytes>> {
    if !matches!(path, "/metrics" | "/healthz") {
        return text(StatusCode::NOT_FOUND, "not found\n");
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/metrics" => text(StatusCode::OK, metrics::render()),
        _ if shutdown.is_cancelled() => text(StatusCode::SERVICE_UNAVAILABLE, "ending\n"),
        _ => text(StatusCode::OK, "ok\n"),
    }
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(text.into()));
    *page.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    page.headers_mut().insert(CONTENT_TYPE, kind);
    page
}

#[cfg(test)]
mod tests;
