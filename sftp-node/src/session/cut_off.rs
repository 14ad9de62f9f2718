//! A second handle of the socket of a connection, to end it from outside. All that a session knows of
//! its connection.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use ferryd_control_plane::ConnectionId;

/// Ends a connection at once.
#[derive(Debug)]
pub(crate) struct CutOff {
    socket: TcpStream,
    cut: AtomicBool,
}

impl CutOff {
    /// Returns what ends the connection of this socket.
    pub fn new(socket: TcpStream) -> Self {
        Self { socket, cut: AtomicBool::new(false) }
    }

    /// Ends the connection: reads and writes of the socket fail.
    pub fn cut(&self, connection: &ConnectionId) {
        self.cut.store(true, Ordering::Relaxed);
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            tracing::debug!(sender = "sftpd", connection_id = %connection, %error, "already closed");
        }
    }

    /// Tells whether the connection was ended so.
    pub fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    /// Returns the socket, to watch it.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }
}
