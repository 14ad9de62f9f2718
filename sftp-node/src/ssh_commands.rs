//! Commands of exec channels: the table of those that exist, how a line is read, how a command
//! ends. A line is split as a shell does it and never given to one.

mod digests;
mod directory;

use std::sync::Arc;

use ferryd_domain::{Fault, VirtualPath};
use ferryd_telemetry::metrics::{self, Outcome};
use russh::ChannelWriteHalf;
use russh::server::Msg;

use crate::config::SftpdConfig;
use crate::digest::Algorithm;
use crate::files::UserFiles;
use crate::intake::ChannelInput;
use crate::protocol::Protocol;
use crate::session::Session;

/// A command that exists and is enabled, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshCommand {
    kind: Kind,
    name: String,
    arguments: Vec<Vec<u8>>,
    /// The line as the client sent it.
    pub line: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Digest(Algorithm),
    ChangeDirectory,
    PrintDirectory,
}

const TABLE: [(&str, Kind); 7] = [
    ("md5sum", Kind::Digest(Algorithm::Md5)),
    ("sha1sum", Kind::Digest(Algorithm::Sha1)),
    ("sha256sum", Kind::Digest(Algorithm::Sha256)),
    ("sha384sum", Kind::Digest(Algorithm::Sha384)),
    ("sha512sum", Kind::Digest(Algorithm::Sha512)),
    ("cd", Kind::ChangeDirectory),
    ("pwd", Kind::PrintDirectory),
];

impl SshCommand {
    /// Reads a line. `None` for a command that does not exist or is not enabled, for an empty
    /// line, and for one with an open quote.
    pub fn parse(line: &[u8], config: &SftpdConfig) -> Option<Self> {
        let mut words = shlex::bytes::split(line)?.into_iter();
        let first = words.next()?;
        let (name, kind) = TABLE.into_iter().find(|(name, _)| name.as_bytes() == first)?;
        config.is_ssh_command_enabled(name).then(|| Self {
            kind,
            name: name.to_owned(),
            arguments: words.collect(),
            line: String::from_utf8_lossy(line).into_owned(),
        })
    }

    /// Returns the path argument: the last one.
    fn path(&self) -> Option<&[u8]> {
        self.arguments.last().map(Vec::as_slice)
    }
}

/// What a command may use.
struct Context<'a> {
    files: UserFiles,
    input: &'a mut ChannelInput,
}

/// Runs a command on a channel and closes it.
pub(crate) async fn run(
    command: SshCommand,
    (mut input, output): (ChannelInput, ChannelWriteHalf<Msg>),
    session: Arc<Session>,
) {
    let files = session.files.speaking(Protocol::Ssh);
    let result = {
        let context = Context { files: files.clone(), input: &mut input };
        match command.kind {
            Kind::Digest(algorithm) => digests::run(&command, algorithm, context).await,
            Kind::ChangeDirectory => directory::change(),
            Kind::PrintDirectory => directory::print(),
        }
    };
    metrics::ssh_command_finished(if result.is_ok() { Outcome::Ok } else { Outcome::Failed });
    let shown = command.path().and_then(|path| VirtualPath::parse(path).ok());
    let (text, status) = match result {
        Ok(text) => {
            files.log_ssh_command(&command.name, &command.line, shown.as_ref()).await;
            (text, 0)
        }
        Err(fault) => (failure(&command, shown.as_ref(), &fault), 1),
    };
    if let Err(error) = finish(&output, text, status).await {
        tracing::debug!(sender = "ssh", connection_id = %session.id, %error, "channel was gone");
    }
}

/// Errors go to standard output, as the clients of these commands expect.
fn failure(command: &SshCommand, path: Option<&VirtualPath>, fault: &Fault) -> Vec<u8> {
    let path = path.map(VirtualPath::to_text).unwrap_or_default();
    format!("{}: {path} {}\n", command.name, fault.public()).into_bytes()
}

async fn finish(
    output: &ChannelWriteHalf<Msg>,
    text: Vec<u8>,
    status: u32,
) -> Result<(), russh::Error> {
    output.data_bytes(text).await?;
    output.exit_status(status).await?;
    output.eof().await?;
    output.close().await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<SshCommand> {
        let config =
            SftpdConfig { enabled_ssh_commands: vec!["*".into()], ..SftpdConfig::default() };
        SshCommand::parse(line.as_bytes(), &config)
    }

    #[test]
    fn lines_are_split_as_a_shell_does() {
        let command = parse("md5sum 'a b' \"c\\\"d\" e\\ f").unwrap();
        assert_eq!(command.arguments, [b"a b".to_vec(), b"c\"d".to_vec(), b"e f".to_vec()]);
        assert_eq!(command.path(), Some(b"e f".as_slice()));
    }

    #[test]
    fn what_is_no_command_is_refused() {
        for line in ["", "   ", "md5sum 'open", "MD5SUM x", "/usr/bin/md5sum x", "sh -c id"] {
            assert_eq!(parse(line), None, "{line}");
        }
    }

    #[test]
    fn only_enabled_commands_run() {
        let config = SftpdConfig::default();
        assert!(SshCommand::parse(b"pwd", &config).is_some());
        assert!(SshCommand::parse(b"sha256sum x", &config).is_none());
    }
}
