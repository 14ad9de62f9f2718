//! `md5sum`, `sha1sum` and so on: the digest of a file, or of standard input without a path.
//! rclone and others use them to compare without reading.

use ferryd_domain::{Fault, VirtualPath};
use russh::ChannelMsg;

use super::{Context, SshCommand};
use crate::digest::{Algorithm, Hasher};
use crate::intake::ChannelInput;

/// Computes the digest and returns the line that shows it.
pub(super) async fn run(
    command: &SshCommand,
    algorithm: Algorithm,
    context: Context<'_>,
) -> Result<Vec<u8>, Fault> {
    let (digest, name) = match command.path() {
        Some(path) => {
            // Large files take minutes; without this a client could leave any number of them behind.
            let digest = tokio::select! {
                digest = context.files.digest(path, algorithm) => digest?,
                () = closed(context.input) => return Err(Fault::failed("the client is gone")),
            };
            (digest, VirtualPath::parse(path)?.as_bytes().to_vec())
        }
        None => (of_input(algorithm, context).await?, b"-".to_vec()),
    };
    let mut line = hex::encode(digest).into_bytes();
    line.extend_from_slice(b"  ");
    line.extend(name);
    line.push(b'\n');
    Ok(line)
}

/// Waits until the client closes the channel. The end of its input is not the end of its interest.
async fn closed(input: &mut ChannelInput) {
    while let Some(message) = input.next().await {
        if matches!(message, ChannelMsg::Close) {
            return;
        }
    }
}

async fn of_input(algorithm: Algorithm, context: Context<'_>) -> Result<Vec<u8>, Fault> {
    let mut hasher = Hasher::new(algorithm);
    while let Some(message) = context.input.next().await {
        match message {
            ChannelMsg::Data { data } => hasher = hasher.updated(data.to_vec()).await?,
            ChannelMsg::Eof | ChannelMsg::Close => break,
            _ => {}
        }
    }
    Ok(hasher.finish())
}
