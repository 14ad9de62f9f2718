//! The life of one connection: grace time until the login, idle time after it, drain at the end.

use std::fmt;
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferryd_control_plane::ConnectionId;
use ferryd_telemetry::records::{self, ConnectionFailedRecord};
use futures::FutureExt;
use russh::Disconnect;
use russh::server::Handle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hangup::hung_up;
use crate::context::NodeContext;
use crate::session::Session;
use crate::ssh::SshHandler;
use crate::ssh::channels::ChannelTasks;
use crate::ssh::first_look;
use crate::ssh::tries::Tries;
use crate::workers::Accepted;
use crate::workers::load::Weight;

/// How often the idle time is looked at.
const IDLE_CHECK: Duration =
    if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(15) };

/// What the parts of one connection know of one another.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Id of logs and REST.
    pub id: ConnectionId,
    /// Where the client is.
    pub peer: SocketAddr,
    /// A second handle of the socket, to end it from outside.
    socket: TcpStream,
    /// Whether the client has tried to log in.
    pub tried: AtomicBool,
    /// Its tries to log in.
    pub tries: Tries,
    /// Where messages to the client are handed in, from the start of the protocol on.
    ssh: OnceLock<Handle>,
    /// The session, once logged in.
    pub session: OnceLock<Arc<Session>>,
    /// What runs on its channels.
    pub channels: ChannelTasks,
    /// What it weighs on its thread.
    pub weight: Weight,
    closing: AtomicBool,
}

impl Connection {
    /// Returns when the client has gone, for who waits for something else meanwhile.
    pub async fn hung_up(&self) {
        hung_up(&self.socket).await;
    }

    /// Tells the client that its tries to log in are over, behind the answer to the last one. Called
    /// by the connection's own task, which must not wait for itself.
    pub fn throw_out(&self) {
        let Some(ssh) = self.ssh.get() else { return };
        let reason = Disconnect::NoMoreAuthMethodsAvailable;
        let text = "Too many authentication failures".to_owned();
        if !matches!(ssh.disconnect(reason, text, String::new()).now_or_never(), Some(Ok(()))) {
            self.kill();
        }
    }

    /// Ends the connection at once: reads and writes of the socket fail.
    pub fn kill(&self) {
        self.closing.store(true, Ordering::Relaxed);
        if let Err(error) = self.socket.shutdown(Shutdown::Both) {
            tracing::debug!(sender = "sftpd", connection_id = %self.id, %error, "already closed");
        }
    }
}

/// Serves one connection until it ends.
pub(crate) async fn serve(accepted: Accepted, context: Arc<NodeContext>, stop: CancellationToken) {
    let Accepted { socket, peer, weight } = accepted;
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Ok(second) = socket.try_clone() else { return };
    let Ok(socket) = tokio::net::TcpStream::from_std(socket) else { return };
    let connection = Arc::new(Connection {
        id: context.new_connection(),
        peer,
        socket: second,
        tried: AtomicBool::new(false),
        tries: Tries::default(),
        ssh: OnceLock::new(),
        session: OnceLock::new(),
        channels: ChannelTasks::default(),
        weight,
        closing: AtomicBool::new(false),
    });
    let grace = Duration::from_secs(context.config.login_grace_time.max(1));
    // Also a defect must not leave a session behind that holds a place and room of the quota.
    let ended = AssertUnwindSafe(run(socket, &connection, &context, grace, &stop)).catch_unwind();
    let ended = ended.await.unwrap_or_else(|_| Err(Ended::Defect("a panic".to_owned())));
    if let Err(Ended::Defect(error)) = &ended {
        tracing::error!(sender = "sftpd", connection_id = %connection.id, error, "a defect ended the connection");
        connection.kill();
    }
    finish(&connection, &context, ended.err().map(|ended| ended.to_string())).await;
    // One that hangs in its storage still counts as a connection, unless the server stops.
    tokio::select! {
        () = connection.channels.ended() => {}
        () = stop.cancelled() => {}
    }
}

/// Why a connection has ended before its client ended it.
#[derive(Debug)]
enum Ended {
    /// The client or the network broke it, or it took too long.
    Broken(String),
    /// A bug of ours.
    Defect(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken(reason) => f.write_str(reason),
            Self::Defect(_) => f.write_str("a defect of the server"),
        }
    }
}

impl From<russh::Error> for Ended {
    fn from(error: russh::Error) -> Self {
        match error {
            russh::Error::Join(error) => Self::Defect(error.to_string()),
            other => Self::Broken(other.to_string()),
        }
    }
}

/// Runs the protocol; returns why it ended.
async fn run(
    socket: tokio::net::TcpStream,
    connection: &Arc<Connection>,
    context: &Arc<NodeContext>,
    grace: Duration,
    stop: &CancellationToken,
) -> Result<(), Ended> {
    let deadline = Instant::now() + grace;
    let started = async {
        let looked = first_look::look(socket, &context.offers, connection)
            .await
            .map_err(|e| Ended::Broken(e.to_string()))?;
        let config = context.offers.choose(looked.offer);
        let handler = SshHandler::new(Arc::clone(context), Arc::clone(connection), looked.client);
        russh::server::run_stream(config, looked.stream, handler).await.map_err(Ended::from)
    };
    // Boxed: its memory goes back when the connection has started.
    let mut running = match tokio::time::timeout_at(deadline, Box::pin(started)).await {
        Ok(started) => started?,
        Err(_) => return Err(Ended::Broken("the login took too long".to_owned())),
    };
    connection.ssh.get_or_init(|| running.handle());
    let mut drain = Drain::new(stop.clone(), context.drain_timeout());
    let check = tokio::time::sleep_until(next_check(deadline));
    tokio::pin!(check);
    loop {
        tokio::select! {
            ended = &mut running => return ended.map_err(Ended::from),
            () = &mut check => {
                if let Some(reason) = expired(connection, context, deadline) {
                    connection.kill();
                    return Err(Ended::Broken(reason));
                }
                check.as_mut().reset(next_check(deadline));
            }
            () = drain.next(connection) => connection.kill(),
        }
    }
}

/// Returns when to look again: the end of the grace time is not missed.
fn next_check(deadline: Instant) -> Instant {
    let now = Instant::now();
    let next = now + IDLE_CHECK;
    if deadline > now { next.min(deadline) } else { next }
}

/// Tells why the connection has to end now, if it has to.
fn expired(connection: &Connection, context: &NodeContext, deadline: Instant) -> Option<String> {
    #[cfg(test)]
    context.defects.strike(crate::defects::Place::Connection, &connection.id);
    let Some(session) = connection.session.get() else {
        return (Instant::now() >= deadline).then(|| "the login took too long".to_owned());
    };
    let limit = Duration::from_secs(context.config.idle_timeout.saturating_mul(60));
    (!limit.is_zero() && session.idle_for() >= limit).then(|| "idle for too long".to_owned())
}

async fn finish(connection: &Connection, context: &NodeContext, reason: Option<String>) {
    if let Some(session) = connection.session.get() {
        session.end(context).await;
        let reason = reason.unwrap_or_default();
        tracing::debug!(sender = "sftpd", connection_id = %connection.id, reason, "connection closed");
    } else if !connection.tried.load(Ordering::Relaxed) {
        let error = reason.unwrap_or_else(|| "closed before any login attempt".to_owned());
        login_failed(connection.peer.ip(), "", "no_auth_tryed", &error);
    }
}

/// Writes the record of a connection that did not log in.
pub(crate) fn login_failed(client_ip: IpAddr, username: &str, login_type: &str, error: &str) {
    records::connection_failed(&ConnectionFailedRecord { client_ip, username, login_type, error });
}

/// After the signal to stop: connections without a transfer end at once, others get a time.
struct Drain {
    stop: CancellationToken,
    limit: Duration,
    deadline: Option<Instant>,
}

impl Drain {
    fn new(stop: CancellationToken, limit: Duration) -> Self {
        Self { stop, limit, deadline: None }
    }

    /// Returns when the connection has to be closed.
    async fn next(&mut self, connection: &Connection) {
        self.stop.cancelled().await;
        let deadline = *self.deadline.get_or_insert_with(|| Instant::now() + self.limit);
        loop {
            let busy = connection.session.get().is_some_and(|session| session.is_transferring());
            if !busy || Instant::now() >= deadline {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        if connection.closing.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}
