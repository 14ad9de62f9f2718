//! What actions are told about: files that changed, accounts that changed.

use serde::{Deserialize, Serialize};

use crate::{Account, RawPath, Username};

/// Identifies one event over all nodes and restarts, so that it may be sent twice without harm.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EventId(pub String);

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileAction {
    /// A file was read to the handle's close.
    Download,
    /// A file was written.
    Upload,
    /// A file or link was removed.
    Delete,
    /// A file or directory was renamed.
    Rename,
    /// An SSH command succeeded.
    SshCommand,
}

impl FileAction {
    /// Every action.
    pub const ALL: [Self; 5] =
        [Self::Download, Self::Upload, Self::Delete, Self::Rename, Self::SshCommand];

    /// Returns the name used in `execute_on` and given to programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::SshCommand => "ssh_cmd",
        }
    }

    /// Returns the action with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// A file action that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEvent {
    /// Unique.
    pub id: EventId,
    /// What happened.
    pub action: FileAction,
    /// Who did it.
    pub username: Username,
    /// Full path on the node, or object key; empty for commands without a path.
    pub path: RawPath,
    /// Where a renamed file went.
    pub target_path: RawPath,
    /// Bare name of the SSH command.
    pub ssh_command: String,
    /// Bytes: final size of an upload, bytes sent of a download, size of a removed file.
    pub file_size: i64,
    /// Whether the path is on a local disk.
    pub local_file: bool,
}

/// What happened to an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AccountAction {
    /// It was made.
    Add,
    /// It was changed.
    Update,
    /// It was removed.
    Delete,
}

impl AccountAction {
    /// Every action.
    pub const ALL: [Self; 3] = [Self::Add, Self::Update, Self::Delete];

    /// Returns the name used in `execute_on` and given to programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Returns the action with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// An account action that succeeded.
#[derive(Clone, Debug)]
pub struct AccountEvent {
    /// Unique.
    pub id: EventId,
    /// What happened.
    pub action: AccountAction,
    /// The account as stored, or as it was before it was removed.
    pub account: Account,
}
