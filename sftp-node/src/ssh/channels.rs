//! Channels of a connection: how many, and what they run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use russh::server::{ChannelOpenHandle, Msg, Session as SshSession};
use russh::{Channel, ChannelId, ChannelOpenFailure};

use crate::context::NodeContext;
use crate::session::{Protocol, Session};
use crate::sftp;
use crate::ssh_commands::{self, SshCommand};

/// Channels that one connection may have open.
const MAX_CHANNELS: usize = 64;

/// The channels of a connection.
pub(crate) struct Channels {
    context: Arc<NodeContext>,
    waiting: HashMap<ChannelId, Channel<Msg>>,
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
    pub fn new(context: Arc<NodeContext>) -> Self {
        Self { context, waiting: HashMap::new(), running: Arc::default() }
    }

    /// Accepts a new channel within the limit.
    pub async fn open(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        let open = self.waiting.len() + self.running.load(Ordering::Acquire);
        if open >= MAX_CHANNELS {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
        self.waiting.insert(channel.id(), channel);
        reply.accept().await;
    }

    /// Notes that a channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.waiting.remove(&channel);
    }

    /// Starts a subsystem on a channel that runs nothing yet. Only `sftp` exists.
    pub fn subsystem(
        &mut self,
        id: ChannelId,
        name: &str,
        session: Option<&Arc<Session>>,
        ssh: &mut SshSession,
    ) -> Result<(), russh::Error> {
        let Some(session) = session.filter(|_| name == "sftp") else {
            return ssh.channel_failure(id);
        };
        let Some(channel) = self.waiting.remove(&id) else { return ssh.channel_failure(id) };
        let guard = session.enter(id.into(), Protocol::Sftp, String::new());
        let running = Running::start(&self.running);
        let (context, session, handle) =
            (Arc::clone(&self.context), Arc::clone(session), ssh.handle());
        tokio::spawn(async move {
            sftp::serve(channel, handle, context, session).await;
            drop((guard, running));
        });
        ssh.channel_success(id)
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
        let (Some(command), Some(session)) = (command, session) else {
            return ssh.channel_failure(id);
        };
        let Some(channel) = self.waiting.remove(&id) else { return ssh.channel_failure(id) };
        ssh.channel_success(id)?;
        let guard = session.enter(id.into(), Protocol::Ssh, command.line.clone());
        let running = Running::start(&self.running);
        let session = Arc::clone(session);
        tokio::spawn(async move {
            ssh_commands::run(command, channel, session).await;
            drop((guard, running));
        });
        Ok(())
    }
}
