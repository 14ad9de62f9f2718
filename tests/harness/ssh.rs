//! An SSH connection that a test steers by itself: logins step by step, several channels.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use russh::client::{
    self, AuthResult, Handle, KeyboardInteractiveAuthResponse as Asked, Msg, Session,
};
use russh::keys::{PrivateKeyWithHashAlg, load_secret_key};
use russh::{Channel, ChannelMsg, Disconnect};
use tokio::net::{TcpSocket, TcpStream};

use crate::keys::KeyPair;
use crate::wait::{PATIENCE, soon, soon_within};

/// A connection to a server.
#[derive(Clone)]
pub struct Connection {
    handle: Arc<tokio::sync::Mutex<Handle<Events>>>,
    banners: Arc<Mutex<Vec<String>>>,
    patience: Duration,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

/// What a finished command has said.
#[derive(Debug, Default)]
pub struct Finished {
    /// Its standard output.
    pub output: Vec<u8>,
    /// Its exit status.
    pub status: Option<u32>,
}

/// Keeps what the server says without being asked.
#[derive(Debug)]
struct Events {
    banners: Arc<Mutex<Vec<String>>>,
}

impl client::Handler for Events {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn auth_banner(&mut self, text: &str, _: &mut Session) -> Result<(), russh::Error> {
        self.banners.lock().push(text.to_owned());
        Ok(())
    }
}

impl Connection {
    /// Connects and agrees on keys; nobody is logged in yet.
    pub async fn open(server: SocketAddr) -> Self {
        Self::try_open(server).await.expect("the server talks SSH")
    }

    /// Connects and hands back a refusal.
    pub async fn try_open(server: SocketAddr) -> Result<Self, russh::Error> {
        Self::over(TcpStream::connect(server).await?).await
    }

    /// Connects from an address of this machine.
    pub async fn open_from(from: IpAddr, server: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        Self::over(socket.connect(server).await.unwrap()).await.expect("the server talks SSH")
    }

    async fn over(stream: TcpStream) -> Result<Self, russh::Error> {
        let banners = Arc::new(Mutex::new(Vec::new()));
        let config = client::Config {
            inactivity_timeout: None,
            keepalive_interval: Some(Duration::from_secs(30)),
            ..client::Config::default()
        };
        let events = Events { banners: banners.clone() };
        let handle = soon("SSH", client::connect_stream(Arc::new(config), stream, events)).await?;
        let handle = Arc::new(tokio::sync::Mutex::new(handle));
        Ok(Self { handle, banners, patience: PATIENCE })
    }

    /// Waits this long for an answer to a login.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Tries a password; an error is a connection that has ended.
    pub async fn try_password(&mut self, name: &str, password: &str) -> Result<bool, russh::Error> {
        let mut handle = self.handle.lock().await;
        let answer =
            soon_within(self.patience, "login", handle.authenticate_password(name, password))
                .await?;
        Ok(matches!(answer, AuthResult::Success))
    }

    /// Tries a password.
    pub async fn password(&mut self, name: &str, password: &str) -> bool {
        self.try_password(name, password).await.unwrap_or(false)
    }

    /// Tries a key.
    pub async fn offer_key(&mut self, name: &str, key: &KeyPair) -> bool {
        let key = Arc::new(load_secret_key(&key.file, None).unwrap());
        let key = PrivateKeyWithHashAlg::new(key, Some(russh::keys::HashAlg::Sha256));
        let mut handle = self.handle.lock().await;
        let answer = soon("login", handle.authenticate_publickey(name, key)).await;
        matches!(answer, Ok(AuthResult::Success))
    }

    /// Answers the questions of a keyboard-interactive login in order, then nothing.
    pub async fn answer(&mut self, name: &str, answers: &[&str]) -> bool {
        let mut answers = answers.iter().map(|answer| (*answer).to_owned());
        let mut handle = self.handle.lock().await;
        let start = handle.authenticate_keyboard_interactive_start(name, None::<String>);
        let mut reply = soon_within(self.patience, "a question", start).await;
        while let Ok(Asked::InfoRequest { prompts, .. }) = reply {
            let said = prompts.iter().map(|_| answers.next().unwrap_or_default()).collect();
            let next = handle.authenticate_keyboard_interactive_respond(said);
            reply = soon_within(self.patience, "a question", next).await;
        }
        matches!(reply, Ok(Asked::Success))
    }

    /// Starts a keyboard-interactive login and returns the first questions, unanswered.
    pub async fn question(&mut self, name: &str) -> Vec<String> {
        let mut handle = self.handle.lock().await;
        let start = handle.authenticate_keyboard_interactive_start(name, None::<String>);
        match soon("a question", start).await.unwrap() {
            Asked::InfoRequest { prompts, .. } => prompts.into_iter().map(|p| p.prompt).collect(),
            Asked::Success | Asked::Failure { .. } => panic!("no question"),
        }
    }

    /// Returns the methods that the server offers.
    pub async fn methods(&mut self, name: &str) -> Vec<String> {
        let mut handle = self.handle.lock().await;
        match soon("login", handle.authenticate_none(name)).await.unwrap() {
            AuthResult::Success => Vec::new(),
            AuthResult::Failure { remaining_methods, .. } => {
                remaining_methods.iter().map(|method| <&str>::from(method).to_owned()).collect()
            }
        }
    }

    /// Returns the banners that came so far.
    pub fn banners(&self) -> Vec<String> {
        self.banners.lock().clone()
    }

    /// Opens a session channel.
    pub async fn channel(&self) -> Result<Channel<Msg>, russh::Error> {
        let handle = self.handle.lock().await;
        soon("a channel", handle.channel_open_session()).await
    }

    /// Runs a command without input.
    pub async fn exec(&self, command: &str) -> Option<Finished> {
        let mut channel = self.channel().await.unwrap();
        channel.exec(true, command).await.unwrap();
        channel.eof().await.unwrap();
        soon("the command", collect(&mut channel)).await
    }

    /// Tells whether the connection has ended.
    pub async fn is_closed(&self) -> bool {
        self.handle.lock().await.is_closed()
    }

    /// Says goodbye.
    pub async fn close(&self) {
        let handle = self.handle.lock().await;
        let _ = handle.disconnect(Disconnect::ByApplication, "", "").await;
    }
}

async fn collect(channel: &mut Channel<Msg>) -> Option<Finished> {
    let mut finished = Finished::default();
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } => finished.output.extend_from_slice(&data),
            ChannelMsg::ExitStatus { exit_status } => finished.status = Some(exit_status),
            ChannelMsg::Failure => return None,
            _ => {}
        }
    }
    Some(finished)
}
