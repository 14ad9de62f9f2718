//! The callbacks of russh for one connection. Each is a few lines and delegates; they run in the
//! connection's own task, so they never wait for files. What happens once is boxed, so that the task
//! of a connection that does nothing stays small.

mod channels;
pub(crate) mod first_look;
mod login;
mod looked_stream;
mod offered_key;

use std::sync::Arc;

use russh::client::GexParams;
use russh::kex::dh::groups::DhGroup;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session as SshSession};
use russh::server::{PublicKeyOffer, Response, VerifiedPublicKey};
use russh::{Channel, ChannelId, Pty, Sig};

use crate::connection::Connection;
use crate::context::NodeContext;
use crate::key_exchange::offers;
use crate::load::Kind;
use channels::Channels;
use login::Login;

/// One connection as russh sees it.
pub(crate) struct SshHandler {
    context: Arc<NodeContext>,
    connection: Arc<Connection>,
    /// Boxed, as russh keeps the memory of its handler several times.
    login: Box<Login>,
    channels: Channels,
}

impl SshHandler {
    /// Makes the handler of a connection. `client` is the identification line, when it is known.
    pub fn new(
        context: Arc<NodeContext>,
        connection: Arc<Connection>,
        client: Option<String>,
    ) -> Self {
        Self {
            login: Box::new(Login::new(Arc::clone(&context), Arc::clone(&connection), client)),
            channels: Channels::new(Arc::clone(&context), Arc::clone(&connection)),
            context,
            connection,
        }
    }

    /// Lets a try come. One too many, sent before the client knew, ends the connection unseen.
    fn try_login(&mut self) -> Result<&mut Login, russh::Error> {
        if self.connection.tries.are_over() {
            return Err(russh::Error::Disconnect);
        }
        self.connection.tries.come();
        Ok(&mut self.login)
    }
}

impl Handler for SshHandler {
    type Error = russh::Error;

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Self::Error> {
        Ok(self.try_login()?.none(user))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(Box::pin(self.try_login()?.password(user, password)).await)
    }

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Box::pin(self.try_login()?.key_offered(user, offer)).await)
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(Box::pin(self.try_login()?.key_verified(user, key)).await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let answers = response.map(Iterator::collect::<Vec<_>>);
        Ok(Box::pin(self.try_login()?.dialog(user, answers)).await)
    }

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(self.context.banner.clone())
    }

    async fn lookup_dh_gex_group(
        &mut self,
        wanted: &GexParams,
    ) -> Result<Option<DhGroup>, Self::Error> {
        Ok(offers::group_for(wanted))
    }

    async fn auth_succeeded(&mut self, session: &mut SshSession) -> Result<(), Self::Error> {
        self.connection.weight.becomes(Kind::Idle);
        self.login.log_success(&String::from_utf8_lossy(session.remote_sshid()));
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        #[cfg(test)]
        self.context.defects.strike(crate::defects::Place::Handler, &self.connection.id);
        self.channels.open(channel, reply).await;
        Ok(())
    }

    async fn channel_close(
        &mut self,
        channel: ChannelId,
        _session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.closed(channel);
        Ok(())
    }

    async fn data(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, data.len(), session).await
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _code: u32,
        data: &[u8],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, data.len(), session).await
    }

    fn adjust_window(&mut self, _channel: ChannelId, _current: u32) -> u32 {
        self.channels.window()
    }

    async fn window_adjusted(
        &mut self,
        channel: ChannelId,
        _new_size: u32,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, 0, session).await
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, name.len(), session).await?;
        self.channels.subsystem(channel, name, self.connection.session.get(), session)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, command.len(), session).await?;
        self.channels.exec(channel, command, self.connection.session.get(), session)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, 0, session).await?;
        match self.connection.session.get() {
            Some(started) => Channels::refuse_service(channel, "shell", started, session),
            None => session.channel_failure(channel),
        }
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        modes: &[(Pty, u32)],
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        let content = term.len() + size_of_val(modes);
        self.channels.arrived(channel, content, session).await?;
        session.channel_failure(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, name.len() + value.len(), session).await
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        protocol: &str,
        cookie: &str,
        _screen: u32,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, protocol.len() + cookie.len(), session).await
    }

    async fn agent_request(
        &mut self,
        channel: ChannelId,
        session: &mut SshSession,
    ) -> Result<bool, Self::Error> {
        self.channels.arrived(channel, 0, session).await?;
        Ok(false)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, 0, session).await
    }

    async fn signal(
        &mut self,
        channel: ChannelId,
        _signal: Sig,
        session: &mut SshSession,
    ) -> Result<(), Self::Error> {
        self.channels.arrived(channel, 0, session).await
    }
}
