//! A second handle of the socket of a connection, to end it from outside. All that a session knows of
//! its connection.

use std::net::{Shutdown, TcpStream};
use std::sync::OnceLock;

use ferryd_control_plane::ConnectionId;

/// Ends a connection at once.
#[derive(Debug)]
pub(crate) struct CutOff {
    socket: TcpStream,
    /// Why it was ended, if it was.
    reason: OnceLock<&'static str>,
}

impl CutOff {
    /// Returns what ends the connection of this socket.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, reason: OnceLock::new() }
    }

    /// Ends the connection: reads and writes of the socket fail. The first reason counts.
    pub fn cut(&self, connection: &ConnectionId, reason: &'static str) {
        self.reason.get_or_init(|| reason);
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            tracing::debug!(sender = "sftpd", connection_id = %connection, %error, "already closed");
        }
    }

    /// Tells whether the connection was ended so.
    pub fn is_cut(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Returns why it was ended so.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason.get().copied()
    }

    /// Returns the socket, to watch it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }
}
