//! The life of one connection: grace time until the login, idle time after it, drain at the end.

use std::fmt;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use russh_util::turns::with_turns;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::workers::Accepted;
use crate::connection::{Connection, login_failed};
use crate::context::NodeContext;
use crate::login_time::LoginTurns;
use crate::session::Session;
use crate::ssh::SshHandler;
use crate::ssh::first_look;

/// How often the idle time is looked at.
const IDLE_CHECK: Duration =
    if cfg!(test) { Duration::from_millis(50) } else { Duration::from_secs(15) };

/// Serves one connection until it ends.
pub(super) async fn serve(accepted: Accepted, context: Arc<NodeContext>, stop: CancellationToken) {
    let Accepted { socket, peer, weight } = accepted;
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let Ok(second) = socket.try_clone() else { return };
    let Ok(socket) = tokio::net::TcpStream::from_std(socket) else { return };
    let connection = Arc::new(Connection::new(context.new_connection(), peer, second, weight));
    let grace = Duration::from_secs(context.config.login_grace_time.max(1));
    // Also a defect must not leave a session behind that holds a lease and a reservation of quota.
    let ended = AssertUnwindSafe(run(socket, &connection, &context, grace, &stop)).catch_unwind();
    let ended = ended.await.unwrap_or_else(|_| Err(Ended::Defect("a panic".to_owned())));
    if let Err(Ended::Defect(error)) = &ended {
        tracing::error!(sender = "sftpd", connection_id = %connection.id, error, "a defect ended the connection");
        connection.kill(DEFECT);
    }
    finish(&connection, &context, ended.err().map(|ended| ended.to_string())).await;
    // One that hangs in its storage still counts as a connection, unless the server stops.
    tokio::select! {
        () = connection.channels.ended() => {}
        () = stop.cancelled() => {}
    }
}

/// The reason of an end that is our fault.
const DEFECT: &str = "a defect of the server";

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
            Self::Defect(_) => f.write_str(DEFECT),
        }
    }
}

impl From<russh::Error> for Ended {
    fn from(error: russh::Error) -> Self {
        match error {
            russh::Error::Join(error) => Self::Defect(error.to_string()),
            // Many clients just close the socket.
            russh::Error::IO(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Self::Broken("closed by the client without a farewell".to_owned())
            }
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
        let started = russh::server::run_stream(config, looked.stream, handler);
        let logging_in = Arc::clone(connection);
        let is_over = move || logging_in.session.get().is_some();
        let turns = LoginTurns::new(connection.peer.ip(), &context.login_time, is_over);
        with_turns(Box::new(turns), started).await.map_err(Ended::from)
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
                    connection.kill(reason);
                    return Err(Ended::Broken(reason.to_owned()));
                }
                check.as_mut().reset(next_check(deadline));
            }
            () = drain.next(connection) => connection.kill("the server stops"),
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
fn expired(
    connection: &Connection,
    context: &NodeContext,
    deadline: Instant,
) -> Option<&'static str> {
    #[cfg(test)]
    context.defects.strike(crate::defects::Place::Connection, &connection.id);
    let Some(session) = connection.session.get() else {
        return (Instant::now() >= deadline).then_some("the login took too long");
    };
    let limit = Duration::from_secs(context.config.idle_timeout.saturating_mul(60));
    (!limit.is_zero() && session.idle_for() >= limit).then_some("idle for too long")
}

/// Gives the lease of a session back, when all that its channels changed has been told.
async fn close(session: &Session, context: &NodeContext) {
    context.files.outbox.all_told().await;
    context.registry.remove(&session.id);
    if let Err(fault) = context.control.close_session(session.id.clone()).await {
        tracing::warn!(sender = "sftpd", connection_id = %session.id, error = %fault, "close not reported");
    }
}

async fn finish(connection: &Connection, context: &NodeContext, reason: Option<String>) {
    if let Some(session) = connection.session.get() {
        session.end().await;
        close(session, context).await;
        let known = connection.cut_off().reason().or(reason.as_deref());
        session.log_end(known.unwrap_or("closed by the client"));
    } else if !connection.tried.load(Ordering::Relaxed) {
        let error = reason.unwrap_or_else(|| "closed before any login attempt".to_owned());
        login_failed(connection.peer.ip(), "", "no_auth_tryed", &error);
    }
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
        if connection.is_killed() {
            std::future::pending::<()>().await;
        }
    }
}
