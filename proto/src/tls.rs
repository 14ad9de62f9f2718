//! Certificates and tokens of the link, read once at the start.

use std::path::Path;

use ferryd_domain::{Fault, Secret};
use tonic::transport::{Certificate, ClientTlsConfig, Identity, ServerTlsConfig};

use crate::config::{GrpcClientConfig, GrpcServerConfig};
use crate::link::HANDSHAKE_LIMIT;

/// Returns the TLS form of the listener, `None` without a certificate.
pub(crate) fn of_server(
    config: &GrpcServerConfig,
    directory: &Path,
) -> Result<Option<ServerTlsConfig>, Fault> {
    let identity = identity(&config.certificate_file, &config.certificate_key_file, directory)?;
    let authority = authority(&config.client_ca_file, directory)?;
    match (identity, authority) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Fault::invalid("client_ca_file needs certificate_file as well")),
        (Some(identity), authority) => {
            let tls = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE_LIMIT);
            Ok(Some(match authority {
                Some(authority) => tls.client_ca_root(authority),
                None => tls,
            }))
        }
    }
}

/// Returns the TLS form of a connection to an `https` address.
pub(crate) fn of_client(
    config: &GrpcClientConfig,
    directory: &Path,
) -> Result<ClientTlsConfig, Fault> {
    let authority = authority(&config.ca_file, directory)?
        .ok_or_else(|| Fault::invalid("ca_file is mandatory with https"))?;
    let mut tls = ClientTlsConfig::new().ca_certificate(authority).timeout(HANDSHAKE_LIMIT);
    if !config.server_name.is_empty() {
        tls = tls.domain_name(&config.server_name);
    }
    let identity = identity(&config.certificate_file, &config.certificate_key_file, directory)?;
    Ok(match identity {
        Some(identity) => tls.identity(identity),
        None => tls,
    })
}

/// Returns the node token, `None` when neither the value nor the file is set.
pub(crate) fn token(
    value: &Secret<String>,
    file: &str,
    directory: &Path,
) -> Result<Option<Secret<String>>, Fault> {
    let text = match (value.expose().as_str(), file) {
        ("", "") => return Ok(None),
        ("", file) => String::from_utf8(read(file, "node_token_file", directory)?)
            .map_err(|error| Fault::invalid("node_token_file is no text").because(error))?,
        (value, _) => value.to_owned(),
    };
    checked_token(text.trim()).map(Some)
}

/// Shortest token that is accepted: it guards every account.
const MIN_TOKEN: usize = 16;

fn checked_token(text: &str) -> Result<Secret<String>, Fault> {
    if text.len() < MIN_TOKEN {
        return Err(Fault::invalid("the node token is shorter than 16 characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Fault::invalid("the node token has characters other than printable ASCII"));
    }
    Ok(Secret::new(text.to_owned()))
}

fn identity(certificate: &str, key: &str, directory: &Path) -> Result<Option<Identity>, Fault> {
    match (certificate, key) {
        ("", "") => Ok(None),
        ("", _) => Err(Fault::invalid("certificate_key_file needs certificate_file as well")),
        (_, "") => Err(Fault::invalid("certificate_file needs certificate_key_file as well")),
        (certificate, key) => Ok(Some(Identity::from_pem(
            read(certificate, "certificate_file", directory)?,
            read(key, "certificate_key_file", directory)?,
        ))),
    }
}

fn authority(file: &str, directory: &Path) -> Result<Option<Certificate>, Fault> {
    if file.is_empty() {
        return Ok(None);
    }
    read(file, "certificate of the authority", directory)
        .map(|pem| Some(Certificate::from_pem(pem)))
}

#[expect(clippy::disallowed_methods, reason = "the link owns its certificates and token")]
fn read(file: &str, what: &str, directory: &Path) -> Result<Vec<u8>, Fault> {
    let path = directory.join(file);
    std::fs::read(&path).map_err(|error| {
        Fault::invalid(format!("{what} {} cannot be read", path.display())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_pair_is_refused() {
        let here = Path::new(".");
        let with = |certificate: &str, key: &str, authority: &str| GrpcServerConfig {
            certificate_file: certificate.into(),
            certificate_key_file: key.into(),
            client_ca_file: authority.into(),
            ..GrpcServerConfig::default()
        };
        assert!(of_server(&with("", "", ""), here).unwrap().is_none());
        for config in [with("c.pem", "", ""), with("", "k.pem", ""), with("", "", "ca.pem")] {
            assert!(of_server(&config, here).is_err(), "{config:?}");
        }
    }

    #[test]
    fn weak_and_unprintable_tokens_are_refused() {
        let token = |text: &str| token(&Secret::new(text.into()), "", Path::new("."));
        assert!(token("").unwrap().is_none());
        assert!(token("short").is_err() && token("0123456789 123456").is_err());
        assert_eq!(token(" 0123456789abcdef\n").unwrap().unwrap().expose(), "0123456789abcdef");
    }
}
