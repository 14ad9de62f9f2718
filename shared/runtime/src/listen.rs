//! Opens listening sockets, so that a failure to bind shows before anything runs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::fd::OwnedFd;

use ferryd_domain::{Fault, FaultKind};
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

/// As long as the system allows.
const BACKLOG: i32 = 4096;

/// Listens on an address as configurations spell it: an IPv4 or IPv6 address, the latter with or
/// without brackets, a host name, or nothing for all addresses of both families. The listener
/// does not block, so that an async runtime can take it.
///
/// # Errors
/// `Unavailable`, naming address and port.
pub fn bind(address: &str, port: u16) -> Result<TcpListener, Fault> {
    let result = match address {
        "" => listen_everywhere(port),
        address => resolve(address, port).and_then(listen),
    };
    result.map_err(|error| {
        let shown = if address.is_empty() { "all addresses" } else { address };
        let text = format!("cannot listen on {shown}, port {port}");
        Fault::new(FaultKind::Unavailable, text).because(error)
    })
}

/// Looks whether [`bind`] could listen; nobody can connect meanwhile.
///
/// # Errors
/// `Conflict` for a port that is taken, else `Unavailable`.
pub(crate) fn try_bind(address: &str, port: u16) -> Result<(), Fault> {
    let result = match address {
        "" => bound(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)),
        address => resolve(address, port).and_then(bound),
    };
    match result {
        Ok(_) => Ok(()),
        Err(error) if address.is_empty() && no_ipv6(&error) => try_bind("0.0.0.0", port),
        Err(error) => {
            let taken = error.kind() == io::ErrorKind::AddrInUse;
            let kind = if taken { FaultKind::Conflict } else { FaultKind::Unavailable };
            let shown = if address.is_empty() { "all addresses" } else { address };
            let text = format!("cannot listen on {shown}, port {port}");
            Err(Fault::new(kind, text).because(error))
        }
    }
}

fn resolve(address: &str, port: u16) -> io::Result<SocketAddr> {
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = bare.unwrap_or(address);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let mut found = (bare, port).to_socket_addrs()?;
    found.next().ok_or_else(|| io::Error::other("the name has no address"))
}

/// Machines without IPv6 exist.
fn listen_everywhere(port: u16) -> io::Result<TcpListener> {
    match listen(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)) {
        Err(error) if no_ipv6(&error) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
        }
        result => result,
    }
}

fn no_ipv6(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bound(address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn bound(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // A restarted server must not wait for the connections of the last one.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) {
        // Whether such a socket takes IPv4 as well is a setting of the machine.
        sockopt::set_ipv6_v6only(&socket, false)?;
    }
    rustix::net::bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn ipv6_is_understood_with_and_without_brackets() {
        for address in ["::1", "[::1]"] {
            match bind(address, 0) {
                Ok(listener) => assert!(listener.local_addr().unwrap().is_ipv6()),
                Err(fault) => eprintln!("skipped, no IPv6 here: {fault}"),
            }
        }
    }

    #[test]
    fn an_empty_address_is_reached_over_ipv4() {
        let listener = bind("", 0).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = bind("127.0.0.1", 0).unwrap();
        let port = taken.local_addr().unwrap().port();
        let fault = bind("127.0.0.1", port).unwrap_err();
        assert!(fault.public().contains(&port.to_string()), "{fault}");
    }

    #[test]
    fn nonsense_is_a_fault() {
        assert!(bind("not an address", 0).is_err());
    }
}
