//! Channels of a connection: how many, and what they run.

use std::collections::HashMap;
use std::sync::Arc;

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
    open: usize,
}

impl Channels {
    /// Makes an empty set.
    pub fn new(context: Arc<NodeContext>) -> Self {
        Self { context, waiting: HashMap::new(), open: 0 }
    }

    /// Accepts a new channel within the limit.
    pub async fn open(&mut self, channel: Channel<Msg>, reply: ChannelOpenHandle) {
        if self.open >= MAX_CHANNELS {
            return reply.reject(ChannelOpenFailure::ResourceShortage).await;
        }
        self.open += 1;
        self.waiting.insert(channel.id(), channel);
        reply.accept().await;
    }

    /// Notes that a channel is gone.
    pub fn closed(&mut self, channel: ChannelId) {
        self.open = self.open.saturating_sub(1);
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
        let (context, session, handle) =
            (Arc::clone(&self.context), Arc::clone(session), ssh.handle());
        tokio::spawn(async move {
            sftp::serve(channel, handle, context, session).await;
            drop(guard);
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
        let session = Arc::clone(session);
        tokio::spawn(async move {
            ssh_commands::run(command, channel, session).await;
            drop(guard);
        });
        Ok(())
    }
}
