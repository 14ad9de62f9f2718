//! What is told about operations: log records, metrics, events for the actions.

use std::time::{Duration, SystemTime};

use ferryd_control_plane::TransferDirection;
use ferryd_domain::{EventId, Fault, FaultKind, FileAction, FileEvent, RawPath, VirtualPath};
use ferryd_storage::ResolvedPath;
use ferryd_telemetry::Direction;
use ferryd_telemetry::metrics::{self, Outcome};
use ferryd_telemetry::records::{
    self, CommandRecord, CommandSender, FailuresLeftOutRecord, Obstacle, OperationFailedRecord,
    TransferRecord,
};

use super::Shared;
use crate::protocol::Protocol;

/// Tells about the operations of one session.
pub(super) struct Audit<'a> {
    pub(super) shared: &'a Shared,
    pub(super) protocol: Protocol,
}

/// A command that succeeded.
pub(super) struct Command {
    pub sender: CommandSender,
    pub path: RawPath,
    pub target: RawPath,
    pub mode: Option<u32>,
    pub owner: (i64, i64),
    pub times: (Option<SystemTime>, Option<SystemTime>),
}

impl Command {
    /// Returns a command on one path.
    pub fn at(sender: CommandSender, resolved: &dyn ResolvedPath) -> Self {
        Self::between(sender, resolved.real_path(), RawPath::default())
    }

    /// Returns a command with a source and a target.
    pub fn between(sender: CommandSender, path: RawPath, target: RawPath) -> Self {
        Self { sender, path, target, mode: None, owner: (-1, -1), times: (None, None) }
    }
}

impl Audit<'_> {
    /// Writes the record of a command.
    pub fn command(&self, command: &Command) {
        let filemode = command.mode.map(mode_text).unwrap_or_default();
        records::command(&CommandRecord {
            sender: command.sender,
            username: self.shared.account.username.as_str(),
            file_path: command.path.as_bytes(),
            target_path: command.target.as_bytes(),
            filemode: &filemode,
            uid: command.owner.0,
            gid: command.owner.1,
            access_time: command.times.0,
            modification_time: command.times.1,
            ssh_command: "",
            connection_id: &self.shared.connection.0,
            protocol: self.protocol.name(),
        });
    }

    /// Writes the record and the event of an SSH command. `shown` is the path as the client gave
    /// it, `resolved` where it leads.
    pub fn ssh_command(
        &self,
        name: &str,
        line: &str,
        shown: &[u8],
        resolved: Option<&dyn ResolvedPath>,
    ) {
        records::command(&CommandRecord {
            sender: CommandSender::SshCommand,
            username: self.shared.account.username.as_str(),
            file_path: shown,
            ssh_command: line,
            connection_id: &self.shared.connection.0,
            protocol: self.protocol.name(),
            ..CommandRecord::default()
        });
        self.send(FileAction::SshCommand, |event| {
            event.path = resolved.map(ResolvedPath::real_path).unwrap_or_default();
            name.clone_into(&mut event.ssh_command);
        });
    }

    /// Counts a transfer; writes its record, and its event when it went well.
    pub fn transfer(&self, finished: &FinishedTransfer<'_>) {
        let (direction, action) = match finished.direction {
            TransferDirection::Upload => (Direction::Upload, FileAction::Upload),
            TransferDirection::Download => (Direction::Download, FileAction::Download),
        };
        let outcome = if finished.broken.is_none() { Outcome::Ok } else { Outcome::Failed };
        metrics::transfer_finished(direction, finished.bytes, outcome);
        if let Some(fault) = finished.broken {
            return self.failed(&finished.attempt(), fault);
        }
        let path = finished.resolved.real_path();
        records::transfer(&TransferRecord {
            direction,
            elapsed: finished.elapsed,
            size_bytes: finished.bytes,
            username: self.shared.account.username.as_str(),
            file_path: path.as_bytes(),
            connection_id: &self.shared.connection.0,
            protocol: self.protocol.name(),
        });
        self.event(action, finished.resolved, None, finished.file_size);
    }

    /// Writes the record of an operation that has failed, if it gets one.
    pub fn failed(&self, attempt: &Attempt<'_>, fault: &Fault) {
        if attempt.is_answered_by(fault) {
            return;
        }
        let Some(left_out) = self.shared.failures.note() else { return };
        self.left_out(left_out);
        records::operation_failed(&OperationFailedRecord {
            obstacle: obstacle(fault),
            operation: attempt.act.name(),
            username: self.shared.account.username.as_str(),
            virtual_path: &shown(attempt.path),
            virtual_target_path: &shown(attempt.target),
            size_bytes: attempt.bytes,
            connection_id: &self.shared.connection.0,
            protocol: self.protocol.name(),
            error: &fault.to_string(),
        });
    }

    /// Tells how many failures have no record, when there are some.
    pub fn left_out(&self, left_out: u64) {
        if left_out > 0 {
            records::failures_left_out(&FailuresLeftOutRecord {
                left_out,
                username: self.shared.account.username.as_str(),
                connection_id: &self.shared.connection.0,
            });
        }
    }

    /// Hands an event about a file to the actions, when its action is configured.
    pub fn event(
        &self,
        action: FileAction,
        resolved: &dyn ResolvedPath,
        target: Option<&dyn ResolvedPath>,
        file_size: u64,
    ) {
        self.send(action, |event| {
            event.path = resolved.real_path();
            event.target_path = target.map(ResolvedPath::real_path).unwrap_or_default();
            event.file_size = i64::try_from(file_size).unwrap_or(i64::MAX);
        });
    }

    fn send(&self, action: FileAction, fill: impl FnOnce(&mut FileEvent)) {
        let context = &self.shared.context;
        if !context.config.actions.execute_on.iter().any(|name| name == action.name()) {
            return;
        }
        let mut event = FileEvent {
            id: EventId(context.ids.next()),
            action,
            username: self.shared.account.username.clone(),
            path: RawPath::default(),
            target_path: RawPath::default(),
            ssh_command: String::new(),
            file_size: 0,
            local_file: self.shared.storage.capabilities().local,
        };
        fill(&mut event);
        context.outbox.dispatch(event);
    }
}

/// A transfer that has ended.
pub(super) struct FinishedTransfer<'a> {
    pub direction: TransferDirection,
    /// Path as the client named it.
    pub path: &'a VirtualPath,
    /// What has broken it.
    pub broken: Option<&'a Fault>,
    pub bytes: u64,
    /// Size that events report: of the file for an upload, of what was sent for a download.
    pub file_size: u64,
    pub elapsed: Duration,
    pub resolved: &'a dyn ResolvedPath,
}

impl FinishedTransfer<'_> {
    fn attempt(&self) -> Attempt<'_> {
        let act = match self.direction {
            TransferDirection::Upload => Act::Upload,
            TransferDirection::Download => Act::Download,
        };
        Attempt { act, path: self.path.as_bytes(), target: b"", bytes: self.bytes }
    }
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Copy,
    Digest,
    Download,
    Exec,
    HardLink,
    List,
    MakeDirectory,
    Read,
    ReadLink,
    Remove,
    RemoveDirectory,
    Rename,
    Service,
    SetAttributes,
    Space,
    Stat,
    Symlink,
    Sync,
    Upload,
}

impl Act {
    const fn name(self) -> &'static str {
        match self {
            Self::Copy => "copy",
            Self::Digest => "digest",
            Self::Download => "download",
            Self::Exec => "exec",
            Self::HardLink => "hardlink",
            Self::List => "list",
            Self::MakeDirectory => "mkdir",
            Self::Read => "read",
            Self::ReadLink => "readlink",
            Self::Remove => "remove",
            Self::RemoveDirectory => "rmdir",
            Self::Rename => "rename",
            Self::Service => "service",
            Self::SetAttributes => "setstat",
            Self::Space => "statvfs",
            Self::Stat => "stat",
            Self::Symlink => "symlink",
            Self::Sync => "fsync",
            Self::Upload => "upload",
        }
    }

    /// Clients ask whether something is there before they make it: no is an answer.
    const fn asks_whether_it_exists(self) -> bool {
        matches!(self, Self::Stat | Self::ReadLink | Self::List)
    }
}

/// An operation that was tried, on paths as the client gave them.
pub(super) struct Attempt<'a> {
    pub act: Act,
    pub path: &'a [u8],
    /// Second path of what has two, else empty.
    pub target: &'a [u8],
    /// What a transfer has moved.
    pub bytes: u64,
}

impl Attempt<'_> {
    fn is_answered_by(&self, fault: &Fault) -> bool {
        let missing = matches!(fault.kind(), FaultKind::NotFound | FaultKind::NotADirectory);
        missing && self.act.asks_whether_it_exists()
    }
}

/// Tells the account's own rules from what its administrator should look at: only the latter have
/// a cause in the system.
fn obstacle(fault: &Fault) -> Obstacle {
    match fault.kind() {
        FaultKind::PermissionDenied | FaultKind::QuotaExceeded if fault.cause().is_none() => {
            Obstacle::Rules
        }
        _ => Obstacle::Trouble,
    }
}

/// Returns a path of a client as text that is not too long for a line.
fn shown(raw: &[u8]) -> String {
    const LONGEST: usize = 4096;
    if raw.is_empty() {
        return String::new();
    }
    let raw = raw.get(..LONGEST).unwrap_or(raw);
    VirtualPath::parse(raw)
        .map_or_else(|_| String::from_utf8_lossy(raw).into_owned(), |path| path.to_text())
}

/// Returns permission bits as `ls` shows those of a file, e.g. `-rw-r--r--`.
fn mode_text(mode: u32) -> String {
    let bit = |shift: u32, letter: char| if mode >> shift & 1 == 1 { letter } else { '-' };
    let letters = (0..9u32).rev().map(|shift| {
        bit(
            shift,
            match shift % 3 {
                2 => 'r',
                1 => 'w',
                _ => 'x',
            },
        )
    });
    std::iter::once('-').chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_look_as_in_ls() {
        assert_eq!(mode_text(0o600), "-rw-------");
        assert_eq!(mode_text(0o755), "-rwxr-xr-x");
    }
}
