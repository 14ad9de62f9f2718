//! Channels of a connection: how many, and what they run.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferryd_control_plane::{Certainty, UsageChange};
use futures::FutureExt;
use russh::server::{ChannelOpenHandle, Handle, Msg, Session as SshSession};
use russh::{Channel, ChannelId, ChannelOpenFailure, ChannelWriteHalf};

use crate::connection::Connection;
use crate::context::NodeContext;
use crate::intake::{ChannelInput, Intake};
use crate::protocol::Protocol;
use crate::session::{ChannelGuard, Session};
use crate::sftp;
use crate::ssh_commands::{self, SshCommand};

/// Channels that one connection may have open.
const MAX_CHANNELS: usize = 64;

/// The channels of a connection.
pub(crate) struct Channels {
    context: Arc<NodeContext>,
    connection: Arc<Connection>,
    waiting: HashMap<ChannelId, Channel<Msg>>,
    intake: Intake,
    /// Channels that run something. A client need not tell us that it saw our close.
    running: Arc<AtomicUsize>,
}

/// Counts a channel that runs something.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn start(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Channels {
    /// Makes an empty set.
    pub fn new(context: Arc<NodeContext>, connection: Arc<Connection>) -> Self {
        let intake = Intake::new(&context.received);
        Self { context, connection, waiting: HashMap::new(), intake, running: Arc::default() }
    }

    /// Accepts a new channel within the limit.
    pub async fn open(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        let open = self.waiting.len() + self.running.load(Ordering::Acquire);
        if open >= MAX_CHANNELS {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
        self.intake.open(channel.id());
        self.waiting.insert(channel.id(), channel);
        reply.accept().await;
    }

    /// Notes that a channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.waiting.remove(&channel);
        self.intake.close(channel);
    }

    /// Notes a message with this much content, behind those that wait for the reader of its channel.
    ///
    /// # Errors
    /// `Disconnect` when too much waits and the client goes meanwhile.
    pub fn arrived<'a>(
        &'a mut self,
        channel: ChannelId,
        content: usize,
        ssh: &SshSession,
    ) -> impl Future<Output = Result<(), russh::Error>> + use<'a> {
        let left = ssh.window_size(&channel);
        self.intake.arrived(channel, content, left, self.connection.hung_up())
    }

    /// Returns how wide the windows of the client are to be.
    pub fn window(&self) -> u32 {
        self.intake.window()
    }

    /// Takes a channel that runs nothing yet.
    fn take(&mut self, id: ChannelId) -> Option<(ChannelInput, ChannelWriteHalf<Msg>)> {
        let (messages, output) = self.waiting.remove(&id)?.split();
        Some((self.intake.input(id, messages), output))
    }

    /// Starts a subsystem on a channel that runs nothing yet. Only `sftp` exists.
    pub fn subsystem(
        &mut self,
        id: ChannelId,
        name: &str,
        session: Option<&Arc<Session>>,
        ssh: &mut SshSession,
    ) -> Result<(), russh::Error> {
        let Some(session) = session else { return ssh.channel_failure(id) };
        if name != "sftp" {
            return Self::refuse_service(id, name, session, ssh);
        }
        let Some(channel) = self.take(id) else { return ssh.channel_failure(id) };
        let guard = session.enter(id.into(), Protocol::Sftp, String::new());
        let running = Running::start(&self.running);
        let (context, handle) = (Arc::clone(&self.context), ssh.handle());
        let served = sftp::serve(channel, handle.clone(), context, Arc::clone(session));
        self.spawn(session, handle, id, (guard, running), served);
        ssh.channel_success(id)
    }

    /// Refuses a shell or an unknown subsystem.
    pub fn refuse_service(
        id: ChannelId,
        name: &str,
        session: &Session,
        ssh: &mut SshSession,
    ) -> Result<(), russh::Error> {
        let shown: String = name.chars().take(64).collect();
        session.files.speaking(Protocol::Ssh).tell_refused_service(&shown);
        ssh.channel_failure(id)
    }

    /// Starts a command on a channel that runs nothing yet. The answer goes out first: a short
    /// command would otherwise close the channel before it.
    pub fn exec(
        &mut self,
        id: ChannelId,
        line: &[u8],
        session: Option<&Arc<Session>>,
        ssh: &mut SshSession,
    ) -> Result<(), russh::Error> {
        let command = SshCommand::parse(line, &self.context.config);
        let Some(session) = session else { return ssh.channel_failure(id) };
        let Some(command) = command else {
            session.files.speaking(Protocol::Ssh).tell_refused_command(line);
            return ssh.channel_failure(id);
        };
        let Some(channel) = self.take(id) else { return ssh.channel_failure(id) };
        ssh.channel_success(id)?;
        let guard = session.enter(id.into(), Protocol::Ssh, command.line.clone());
        let running = Running::start(&self.running);
        let run = ssh_commands::run(command, channel, Arc::clone(session));
        self.spawn(session, ssh.handle(), id, (guard, running), run);
        Ok(())
    }

    /// Runs the work of a channel. A defect ends this channel only; what it was writing is not
    /// accounted, so the account is to be counted anew.
    fn spawn(
        &self,
        session: &Arc<Session>,
        ssh: Handle,
        id: ChannelId,
        guards: (ChannelGuard, Running),
        work: impl Future<Output = ()> + Send + 'static,
    ) {
        let (context, session) = (Arc::clone(&self.context), Arc::clone(session));
        #[cfg(test)]
        let work = context.defects.before(crate::defects::Place::Channel, &session.id, work);
        // Boxed: a task would keep the memory of what it is made of twice.
        let work = Box::pin(work);
        self.connection.channels.spawn(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(sender = "sftpd", connection_id = %session.id, "a defect ended a channel");
                context.files.outbox.change_usage_later(in_doubt(&context, &session));
                let closed = ssh.close(id).await;
                tracing::debug!(sender = "sftpd", connection_id = %session.id, told = closed.is_ok(), "channel closed");
            }
            drop(guards);
        });
    }
}

fn in_doubt(context: &NodeContext, session: &Session) -> UsageChange {
    UsageChange {
        transfer: context.files.new_transfer(),
        username: session.account.username.clone(),
        size: 0,
        files: 0,
        certainty: Certainty::Doubtful,
    }
}
