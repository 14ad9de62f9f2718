//! Opens listening sockets, so that a failure to bind shows before anything runs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ferryd_domain::Fault;
use tokio::net::{TcpListener, TcpSocket};

const BACKLOG: u32 = 1024;

/// Listens on an address as configurations spell it: an IPv4 or IPv6 address, the latter with or
/// without brackets, a host name, or nothing for all addresses of both families.
///
/// # Errors
/// `Failed`, naming address and port.
pub async fn bind(address: &str, port: u16) -> Result<TcpListener, Fault> {
    let fault = |error: std::io::Error| {
        let shown = if address.is_empty() { "all addresses" } else { address };
        Fault::failed(format!("cannot listen on {shown}, port {port}")).because(error)
    };
    if address.is_empty() {
        return listen_everywhere(port).map_err(fault);
    }
    let address = resolve(address, port).await.map_err(fault)?;
    listen(address).map_err(fault)
}

async fn resolve(address: &str, port: u16) -> std::io::Result<SocketAddr> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.unwrap_or(address);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let mut found = tokio::net::lookup_host((bare, port)).await?;
    found.next().ok_or_else(|| std::io::Error::other("the name has no address"))
}

/// Machines without IPv6 exist.
fn listen_everywhere(port: u16) -> std::io::Result<TcpListener> {
    match listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
        Err(error) if no_ipv6(&error) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        result => result,
    }
}

fn no_ipv6(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted server must not wait for the connections of the last one.
    socket.set_reuseaddr(true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Whether such a socket takes IPv4 as well is a setting of the machine.
        rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn ipv6_is_understood_with_and_without_brackets() {
        for address in ["::1", "[::1]"] {
            match bind(address, 0).await {
                Ok(listener) => assert!(listener.local_addr().unwrap().is_ipv6()),
                Err(fault) => eprintln!("skipped, no IPv6 here: {fault}"),
            }
        }
    }

    #[tokio::test]
    async fn an_empty_address_is_reached_over_ipv4() {
        let listener = bind("", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_ok());
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let taken = bind("127.0.0.1", 0).await.unwrap();
        let port = taken.local_addr().unwrap().port();
        let fault = bind("127.0.0.1", port).await.unwrap_err();
        assert!(fault.public().contains(&port.to_string()), "{fault}");
    }

    #[tokio::test]
    async fn nonsense_is_a_fault() {
        assert!(bind("not an address", 0).await.is_err());
    }
}
