//! One connection, as its parts know it: where the client is, its tries to log in, its session, what
//! runs on its channels. Whoever serves it makes it; a session knows only how to cut it off.

mod channel_tasks;
mod hangup;
mod tries;

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use ferryd_control_plane::ConnectionId;
use ferryd_telemetry::records::{self, ConnectionFailedRecord};
use futures::FutureExt;
use russh::Disconnect;
use russh::server::Handle;

use crate::load::Weight;
use crate::session::{CutOff, Session};
use channel_tasks::ChannelTasks;
pub(crate) use tries::Tries;

/// What the parts of one connection know of one another.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Id of logs and REST.
    pub id: ConnectionId,
    /// Where the client is.
    pub peer: SocketAddr,
    /// A second handle of the socket, to end it from outside.
    cut_off: Arc<CutOff>,
    /// Whether the client has tried to log in.
    pub tried: AtomicBool,
    /// Its tries to log in.
    pub tries: Tries,
    /// Where messages to the client are handed in, from the start of the protocol on.
    pub ssh: OnceLock<Handle>,
    /// The session, once logged in.
    pub session: OnceLock<Arc<Session>>,
    /// What runs on its channels.
    pub channels: ChannelTasks,
    /// What it weighs on its thread.
    pub weight: Weight,
}

impl Connection {
    /// Makes a connection that is not logged in; `socket` is a second handle of its socket.
    pub fn new(id: ConnectionId, peer: SocketAddr, socket: TcpStream, weight: Weight) -> Self {
        Self {
            id,
            peer,
            cut_off: Arc::new(CutOff::new(socket)),
            tried: AtomicBool::new(false),
            tries: Tries::default(),
            ssh: OnceLock::new(),
            session: OnceLock::new(),
            channels: ChannelTasks::default(),
            weight,
        }
    }

    /// Returns when the client has gone, for who waits for something else meanwhile.
    pub async fn hung_up(&self) {
        hangup::hung_up(self.cut_off.socket()).await;
    }

    /// Tells the client that its tries to log in are over, behind the answer to the last one. Called
    /// by the connection's own task, which must not wait for itself.
    pub fn throw_out(&self) {
        let Some(ssh) = self.ssh.get() else { return };
        let reason = Disconnect::NoMoreAuthMethodsAvailable;
        let text = "Too many authentication failures".to_owned();
        if !matches!(ssh.disconnect(reason, text, String::new()).now_or_never(), Some(Ok(()))) {
            self.kill("too many login attempts have failed");
        }
    }

    /// Ends the connection at once: reads and writes of the socket fail. The first reason counts.
    pub fn kill(&self, reason: &'static str) {
        self.cut_off.cut(&self.id, reason);
    }

    /// Tells whether it was ended so.
    pub fn is_killed(&self) -> bool {
        self.cut_off.is_cut()
    }

    /// Returns what ends it from outside.
    pub fn cut_off(&self) -> &Arc<CutOff> {
        &self.cut_off
    }
}

/// Writes the record of a connection that did not log in.
pub(crate) fn login_failed(client_ip: IpAddr, username: &str, login_type: &str, error: &str) {
    records::connection_failed(&ConnectionFailedRecord { client_ip, username, login_type, error });
}
