//! HTTPS with certificates that are made for these tests and trusted by nobody else.

#![allow(clippy::disallowed_methods, reason = "tests make their own files")]

use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::*;

const ONE: (&str, &str) = (include_str!("one.crt"), include_str!("one.key"));
const TWO: (&str, &str) = (include_str!("two.crt"), include_str!("two.key"));

fn install(dir: &Path, (certificate, key): (&str, &str)) {
    std::fs::write(dir.join("cert.pem"), certificate).unwrap();
    std::fs::write(dir.join("key.pem"), key).unwrap();
}

/// Asks over TLS, trusting one certificate; `None` when the handshake fails.
async fn ask(address: SocketAddr, trusted: &str) -> Option<String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Some(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn a_reloaded_certificate_is_used_and_a_broken_one_is_not() {
    ferryd_runtime::program::choose_crypto();
    let dir = tempfile::tempdir().unwrap();
    install(dir.path(), ONE);
    let (certificate, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let tls = Arc::new(ReloadableTls::load(&certificate, &key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(serve(listener, hello(), Some(tls.clone()), shutdown.clone()));
    assert!(ask(address, ONE.0).await.unwrap().ends_with("hello"));
    assert_eq!(ask(address, TWO.0).await, None);
    install(dir.path(), TWO);
    tls.reload().unwrap();
    assert!(ask(address, TWO.0).await.unwrap().ends_with("hello"));
    install(dir.path(), (ONE.0, "broken"));
    tls.reload().unwrap_err();
    assert!(ask(address, TWO.0).await.unwrap().ends_with("hello"));
    assert!(!talk(address, REQUEST).await.contains("hello"), "plain text on a TLS port");
    shutdown.cancel();
    server.await.unwrap().unwrap();
}
