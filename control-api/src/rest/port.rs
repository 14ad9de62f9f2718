//! The port of the REST API: opened before anything else starts, so that one that is taken shows
//! early.

use std::sync::Arc;

use axum::Router;
use ferryd_domain::Fault;
use ferryd_runtime::{CancellationToken, ReloadableTls};
use tokio::net::TcpListener;

use super::config::HttpdConfig;
use super::server::serve;

/// An open port that serves nobody yet; nothing when the REST API is off.
#[derive(Debug)]
pub struct HttpPort {
    listener: Option<TcpListener>,
    scheme: &'static str,
}

impl HttpPort {
    /// Opens the port, if there is to be one. Must be called within a runtime.
    ///
    /// # Errors
    /// `Unavailable` for a port that is taken.
    pub fn bind(config: &HttpdConfig) -> Result<Self, Fault> {
        let scheme = if config.certificate_file.is_empty() { "http" } else { "https" };
        if config.bind_port == 0 {
            return Ok(Self { listener: None, scheme });
        }
        let listener = ferryd_runtime::bind(&config.bind_address, config.bind_port)?;
        TcpListener::from_std(listener)
            .map(|listener| Self { listener: Some(listener), scheme })
            .map_err(|error| Fault::unavailable("the HTTP port cannot be used").because(error))
    }

    /// Returns where a client on this machine finds the API, `None` when it is off.
    pub fn url(&self) -> Option<String> {
        let address = self.listener.as_ref()?.local_addr().ok()?;
        let scheme = self.scheme;
        Some(match address.ip().is_unspecified() {
            true => format!("{scheme}://localhost:{}", address.port()),
            false => format!("{scheme}://{address}"),
        })
    }

    /// Serves until the shutdown; without a port it only waits for it.
    ///
    /// # Errors
    /// Those of [`serve`].
    pub async fn serve(
        self,
        router: Router,
        tls: Option<Arc<ReloadableTls>>,
        shutdown: CancellationToken,
    ) -> Result<(), Fault> {
        let Some(listener) = self.listener else {
            shutdown.cancelled().await;
            return Ok(());
        };
        serve(listener, router, tls, shutdown).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(address: &str, certificate: &str) -> HttpPort {
        let taken = ferryd_runtime::bind("127.0.0.1", 0).unwrap();
        let bind_port = taken.local_addr().unwrap().port();
        drop(taken);
        HttpPort::bind(&HttpdConfig {
            bind_port,
            bind_address: address.to_owned(),
            certificate_file: certificate.to_owned(),
            ..HttpdConfig::default()
        })
        .unwrap()
    }

    #[tokio::test]
    async fn the_url_can_be_opened_from_this_machine() {
        assert!(bound("127.0.0.1", "").url().unwrap().starts_with("http://127.0.0.1:"));
        assert!(bound("0.0.0.0", "x.pem").url().unwrap().starts_with("https://localhost:"));
    }

    #[tokio::test]
    async fn without_a_port_nothing_is_served_until_the_shutdown() {
        let port = HttpPort::bind(&HttpdConfig { bind_port: 0, ..HttpdConfig::default() }).unwrap();
        assert_eq!(port.url(), None);
        let shutdown = CancellationToken::new();
        shutdown.cancel();
        assert!(port.serve(Router::new(), None, shutdown).await.is_ok());
    }
}
