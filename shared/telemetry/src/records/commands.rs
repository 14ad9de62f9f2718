//! Commands that succeeded: what has changed other than the content of files.

use std::time::SystemTime;

use super::write_record;
use crate::clock;
use crate::line::LoggedPath;

/// What a command record tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommandSender {
    /// A file or directory got another name.
    #[default]
    Rename,
    /// A directory was removed.
    Rmdir,
    /// A directory was made.
    Mkdir,
    /// A link was made.
    Symlink,
    /// A file was removed.
    Remove,
    /// Permission bits were set.
    Chmod,
    /// The owner was set.
    Chown,
    /// Times were set.
    Chtimes,
    /// A command of an exec channel has run.
    SshCommand,
}

impl CommandSender {
    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rename => "Rename",
            Self::Rmdir => "Rmdir",
            Self::Mkdir => "Mkdir",
            Self::Symlink => "Symlink",
            Self::Remove => "Remove",
            Self::Chmod => "Chmod",
            Self::Chown => "Chown",
            Self::Chtimes => "Chtimes",
            Self::SshCommand => "SSHCommand",
        }
    }
}

/// A command that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct CommandRecord<'a> {
    /// Which command.
    pub sender: CommandSender,
    /// Whose.
    pub username: &'a str,
    /// Path in the file system (of an SSH command: as the client gave it).
    pub file_path: &'a [u8],
    /// Second path of a rename or link, else empty.
    pub target_path: &'a [u8],
    /// Permission bits like `-rw-------`, else empty.
    pub filemode: &'a str,
    /// New owner, else -1.
    pub uid: i64,
    /// New group, else -1.
    pub gid: i64,
    /// New access time.
    pub access_time: Option<SystemTime>,
    /// New modification time.
    pub modification_time: Option<SystemTime>,
    /// The full command line, else empty.
    pub ssh_command: &'a str,
    /// In which connection.
    pub connection_id: &'a str,
    /// `SFTP`, `SCP` or `SSH`.
    pub protocol: &'a str,
}

impl Default for CommandRecord<'_> {
    fn default() -> Self {
        Self {
            sender: CommandSender::default(),
            username: "",
            file_path: b"",
            target_path: b"",
            filemode: "",
            uid: -1,
            gid: -1,
            access_time: None,
            modification_time: None,
            ssh_command: "",
            connection_id: "",
            protocol: "",
        }
    }
}

/// Writes a command record.
pub fn command(record: &CommandRecord<'_>) {
    let file_path = LoggedPath::new(record.file_path);
    let target_path = LoggedPath::new(record.target_path);
    write_record!(
        info, "command",
        sender: record.sender.name(),
        username: record.username,
        file_path: file_path.text(),
        file_path_base64: file_path.base64(),
        target_path: target_path.text(),
        target_path_base64: target_path.base64(),
        filemode: record.filemode,
        uid: record.uid,
        gid: record.gid,
        access_time: &*record.access_time.map(clock::seconds).unwrap_or_default(),
        modification_time: &*record.modification_time.map(clock::seconds).unwrap_or_default(),
        ssh_command: record.ssh_command,
        connection_id: record.connection_id,
        protocol: record.protocol,
    );
}
