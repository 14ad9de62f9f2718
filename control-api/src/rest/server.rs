//! Serves a router over HTTP or HTTPS: limits on headers, time and connections, orderly end.

mod timed_stream;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::middleware::from_fn_with_state;
use ferryd_domain::Fault;
use ferryd_runtime::{CancellationToken, ReloadableTls};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use super::request_log::{Peer, record};
use timed_stream::{Phase, TimedStream};

/// The largest headers of a request, in bytes.
const MAX_HEADERS: usize = 64 * 1024;
/// Connections at once.
const MAX_CONNECTIONS: usize = 1024;
/// How long a TLS handshake may take.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(15);
/// How long running requests may go on after the end was asked for.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// Pause after the system gave no connection, e.g. because files ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the shutdown is asked for; then running requests have a short time to end.
///
/// # Errors
/// None so far: a connection that fails ends alone.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<ReloadableTls>>,
    shutdown: CancellationToken,
) -> Result<(), Fault> {
    let server = Server {
        router,
        tls,
        running: GracefulShutdown::new(),
        places: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        shutdown: shutdown.clone(),
    };
    tokio::select! {
        () = server.accept(&listener) => {}
        () = shutdown.cancelled() => {}
    }
    drop(listener);
    server.drain().await;
    Ok(())
}

struct Server {
    router: Router,
    tls: Option<Arc<ReloadableTls>>,
    running: GracefulShutdown,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, address)) => self.spawn(stream, address, place),
                Err(error) => {
                    tracing::warn!(sender = "httpd", %error, "no connection could be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn spawn(&self, stream: TcpStream, address: SocketAddr, place: OwnedSemaphorePermit) {
        let connection =
            Connection { router: self.router.clone(), address, watcher: self.running.watcher() };
        let tls = self.tls.clone();
        let shutdown = self.shutdown.clone();
        tokio::spawn(async move {
            let _place = place;
            let _ = stream.set_nodelay(true);
            match tls {
                None => connection.run(stream, "http").await,
                Some(tls) => tokio::select! {
                    () = connection.run_tls(stream, &tls) => {}
                    () = drained(&shutdown) => {}
                },
            }
        });
    }

    /// Waits for the connections, but not for ever.
    async fn drain(self) {
        if tokio::time::timeout(DRAIN_LIMIT, self.running.shutdown()).await.is_err() {
            tracing::warn!(sender = "httpd", "requests were cut off by the shutdown");
        }
    }
}

/// Ends a handshake that never comes to a request.
async fn drained(shutdown: &CancellationToken) {
    shutdown.cancelled().await;
    tokio::time::sleep(DRAIN_LIMIT).await;
}

struct Connection {
    router: Router,
    address: SocketAddr,
    watcher: hyper_util::server::graceful::Watcher,
}

impl Connection {
    async fn run_tls(self, stream: TcpStream, tls: &ReloadableTls) {
        let handshake = tokio::time::timeout(HANDSHAKE_LIMIT, tls.acceptor().accept(stream)).await;
        match handshake {
            Ok(Ok(stream)) => self.run(stream, "https").await,
            Ok(Err(error)) => tracing::debug!(sender = "httpd", %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(sender = "httpd", "TLS handshake took too long"),
        }
    }

    async fn run(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        scheme: &'static str,
    ) {
        let peer = Peer { address: self.address, scheme };
        let router = self.router.layer(from_fn_with_state(peer, record));
        let phase = Phase::default();
        let stream = TimedStream::new(stream, phase.clone());
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let request_in_work = phase.request_began();
            let answer = router.clone().oneshot(request.map(Body::new));
            async move {
                let answer = answer.await;
                drop(request_in_work);
                answer
            }
        });
        let builder = builder();
        let serving = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(serving.into_owned()).await {
            tracing::debug!(sender = "httpd", error = %error, "an HTTP connection ended early");
        }
    }
}

/// The time limits of headers and idle connections are the stream's.
fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(64);
    builder
}

#[cfg(test)]
mod tests;
