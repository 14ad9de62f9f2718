//! A certificate and its key, read again when asked: connections that are open keep the old one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ferryd_domain::Fault;
use parking_lot::RwLock;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// Gives TLS to new connections.
#[derive(Debug)]
pub struct ReloadableTls {
    certificate_file: PathBuf,
    key_file: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
}

impl ReloadableTls {
    /// Reads a certificate chain and its key, both PEM.
    ///
    /// # Errors
    /// `InvalidInput`, naming the file that cannot be used.
    pub fn load(certificate_file: &Path, key_file: &Path) -> Result<Self, Fault> {
        let config = read(certificate_file, key_file)?;
        Ok(Self {
            certificate_file: certificate_file.to_owned(),
            key_file: key_file.to_owned(),
            current: RwLock::new(config),
        })
    }

    /// Reads both files again. Blocks for as long as that takes.
    ///
    /// # Errors
    /// As [`Self::load`]; then the old ones stay in use.
    pub fn reload(&self) -> Result<(), Fault> {
        let config = read(&self.certificate_file, &self.key_file)?;
        *self.current.write() = config;
        Ok(())
    }

    /// Returns what accepts the next connection.
    pub fn acceptor(&self) -> TlsAcceptor {
        let current = self.current.read();
        TlsAcceptor::from(Arc::clone(&current))
    }
}

fn read(certificate_file: &Path, key_file: &Path) -> Result<Arc<ServerConfig>, Fault> {
    let chain = certificates(certificate_file)?;
    let key = key(key_file)?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| unusable(certificate_file, error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[expect(clippy::disallowed_methods, reason = "owns the files of the certificate")]
fn key(file: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
    let text = std::fs::read(file).map_err(|error| unusable(file, error))?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        let flaw = crate::key_file::flaw(&String::from_utf8_lossy(&text));
        let told = flaw.unwrap_or("it is damaged or of an unknown type");
        Fault::invalid(format!("{} cannot be used: {told}", file.display())).because(error)
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(file, error))?;
    if chain.is_empty() {
        return Err(Fault::invalid(format!("{} holds no certificate", file.display())));
    }
    Ok(chain)
}

fn unusable(file: &Path, error: impl std::error::Error + Send + Sync + 'static) -> Fault {
    Fault::invalid(format!("{} cannot be used", file.display())).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_certificate_is_named() {
        let fault = ReloadableTls::load(Path::new("/nowhere/cert.pem"), Path::new("/nowhere/key"))
            .unwrap_err();
        assert!(fault.public().contains("/nowhere/cert.pem"), "{fault}");
    }
}
