//! Notices that a client has gone while its login waits for a program of the administrator's: the
//! connection's own task reads nothing meanwhile and would not see it.

use std::future::pending;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::time::Duration;

use tokio::io::Interest;

/// Most logins are answered before; they do not pay for the look.
const PROMPT: Duration = Duration::from_secs(1);

/// Returns when the other end has closed the connection or it has broken.
pub(super) async fn hung_up(socket: &TcpStream) {
    tokio::time::sleep(PROMPT).await;
    if let Err(error) = wait_for_end(socket).await {
        tracing::debug!(sender = "sftpd", %error, "a connection cannot be watched");
        pending().await
    }
}

async fn wait_for_end(socket: &TcpStream) -> io::Result<()> {
    let watched = tokio::net::TcpStream::from_std(socket.try_clone()?)?;
    while !watched.ready(Interest::READABLE).await?.is_read_closed() {
        // What has arrived is read later; waiting goes on until more happens.
        let seen =
            watched.try_io(Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
        debug_assert!(seen.is_err());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_client_that_goes_is_noticed_behind_what_it_has_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_nonblocking(true).unwrap();
        client.write_all(b"something that nobody reads").unwrap();
        let watching = tokio::spawn(async move { hung_up(&server).await });
        client.write_all(b"and more").unwrap();
        assert!(!watching.is_finished());
        drop(client);
        tokio::time::timeout(Duration::from_secs(30), watching).await.unwrap().unwrap();
    }
}
