//! An agent that holds security keys, for the clients of OpenSSH (draft-miller-ssh-agent).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

use crate::files::temporary_folder;
use crate::security_key::SecurityKey;
use crate::wire::{Fields, Reader, packet, read_packet};

/// Numbers of messages.
mod message {
    pub const FAILURE: u8 = 5;
    pub const REQUEST_IDENTITIES: u8 = 11;
    pub const IDENTITIES_ANSWER: u8 = 12;
    pub const SIGN_REQUEST: u8 = 13;
    pub const SIGN_RESPONSE: u8 = 14;
}

const MAX_MESSAGE: usize = 256 * 1024;

/// A running agent; it ends with the value.
#[derive(Debug)]
pub struct Agent {
    socket: PathBuf,
    _folder: TempDir,
    _tasks: JoinSet<()>,
}

impl Agent {
    /// Starts an agent that holds these keys.
    pub fn holding(keys: impl IntoIterator<Item = SecurityKey>) -> Self {
        let folder = temporary_folder("agent");
        let socket = folder.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let keys = Arc::new(Vec::from_iter(keys));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, keys));
        Self { socket, _folder: folder, _tasks: tasks }
    }

    /// Returns where clients reach it.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

async fn serve(listener: UnixListener, keys: Arc<Vec<SecurityKey>>) {
    let mut clients = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        clients.spawn(answer_all(stream, Arc::clone(&keys)));
    }
}

async fn answer_all(mut stream: UnixStream, keys: Arc<Vec<SecurityKey>>) {
    while let Some(request) = read_packet(&mut stream, 1..=MAX_MESSAGE).await {
        if stream.write_all(&answer(&keys, &request)).await.is_err() {
            break;
        }
    }
}

fn answer(keys: &[SecurityKey], request: &[u8]) -> Vec<u8> {
    let failure = || packet(message::FAILURE, &[]);
    match request {
        [message::REQUEST_IDENTITIES] => packet(message::IDENTITIES_ANSWER, &identities(keys)),
        [message::SIGN_REQUEST, fields @ ..] => signature(keys, fields)
            .map_or_else(failure, |signature| packet(message::SIGN_RESPONSE, &signature)),
        // Also for `session-bind@openssh.com`, which an agent need not know.
        _ => failure(),
    }
}

fn identities(keys: &[SecurityKey]) -> Vec<u8> {
    let count = Fields::new().u32(u32::try_from(keys.len()).unwrap());
    keys.iter().fold(count, |fields, key| fields.string(key.blob()).string("security key")).0
}

/// Signs what a request holds: the key, the message, flags that only RSA keys look at.
fn signature(keys: &[SecurityKey], fields: &[u8]) -> Option<Vec<u8>> {
    let mut fields = Reader(fields);
    let (blob, message) = (fields.string(), fields.string());
    let key = keys.iter().find(|key| key.blob() == blob)?;
    Some(Fields::new().string(key.sign(message)).0)
}
