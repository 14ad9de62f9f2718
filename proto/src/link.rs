//! What both ends of the link agree on: pings, limits, and where plain text is allowed.

use std::net::IpAddr;
use std::time::Duration;

use ferryd_domain::Fault;

/// How often an end asks whether the other is still there.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);

/// How long it waits for the answer before it gives the connection up.
pub(crate) const PING_LIMIT: Duration = Duration::from_secs(5);

/// Limit of a TLS handshake.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Size limit of the metadata of one call.
pub(crate) const MAX_METADATA: u32 = 32 * 1024;

/// Checks that plain text goes no further than this host: passwords and keys cross the link.
pub(crate) fn allow_plain_text(address: IpAddr) -> Result<(), Fault> {
    if address.to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "plain text to or from {address} is refused, use TLS or a loopback address"
    )))
}

/// Returns the path of the socket when the address is `unix:/path` or `unix:///path`.
pub(crate) fn socket_path(address: &str) -> Option<&str> {
    let path = address.strip_prefix("unix:")?;
    Some(path.strip_prefix("//").unwrap_or(path))
}

/// Returns a host without the brackets around an IPv6 address.
pub(crate) fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_on_this_host() {
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert!(allow_plain_text(address.parse().unwrap()).is_ok(), "{address}");
        }
        for address in ["0.0.0.0", "::", "10.0.0.1", "192.168.1.1", "::ffff:10.0.0.1"] {
            assert!(allow_plain_text(address.parse().unwrap()).is_err(), "{address}");
        }
    }

    #[test]
    fn sockets_are_told_from_addresses() {
        assert_eq!(socket_path("unix:/run/x"), Some("/run/x"));
        assert_eq!(socket_path("unix:///run/x"), Some("/run/x"));
        assert_eq!(socket_path("127.0.0.1"), None);
        assert_eq!(bare_host("[::1]"), "::1");
    }
}
