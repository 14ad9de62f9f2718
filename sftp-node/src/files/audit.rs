//! What is told about operations: log records, metrics, events for the actions.

use std::time::{Duration, SystemTime};

use ferryd_control_plane::TransferDirection;
use ferryd_domain::{EventId, FileAction, FileEvent};
use ferryd_storage::Place;
use ferryd_telemetry::Direction;
use ferryd_telemetry::metrics::{self, Outcome};
use ferryd_telemetry::records::{self, CommandRecord, CommandSender, TransferRecord};

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
    pub path: String,
    pub target: String,
    pub mode: Option<u32>,
    pub owner: (i64, i64),
    pub times: (Option<SystemTime>, Option<SystemTime>),
}

impl Command {
    /// Returns a command on one path.
    pub fn at(sender: CommandSender, place: &dyn Place) -> Self {
        Self::between(sender, &place.real_path(), "")
    }

    /// Returns a command with a source and a target.
    pub fn between(sender: CommandSender, path: &str, target: &str) -> Self {
        Self {
            sender,
            path: path.to_owned(),
            target: target.to_owned(),
            mode: None,
            owner: (-1, -1),
            times: (None, None),
        }
    }
}

impl Audit<'_> {
    /// Writes the record of a command.
    pub fn command(&self, command: &Command) {
        let filemode = command.mode.map(mode_text).unwrap_or_default();
        records::command(&CommandRecord {
            sender: command.sender,
            username: self.shared.account.username.as_str(),
            file_path: &command.path,
            target_path: &command.target,
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
    /// it, `place` where it leads.
    pub fn ssh_command(&self, name: &str, line: &str, shown: &str, place: Option<&dyn Place>) {
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
            event.path = place.map(Place::real_path).unwrap_or_default();
            name.clone_into(&mut event.ssh_command);
        });
    }

    /// Counts a transfer; writes its record and its event when it went well.
    pub fn transfer(&self, finished: &FinishedTransfer<'_>) {
        let (direction, action) = match finished.direction {
            TransferDirection::Upload => (Direction::Upload, FileAction::Upload),
            TransferDirection::Download => (Direction::Download, FileAction::Download),
        };
        metrics::transfer_finished(direction, finished.bytes, finished.outcome);
        if finished.outcome != Outcome::Ok {
            return;
        }
        let path = finished.place.real_path();
        records::transfer(&TransferRecord {
            direction,
            elapsed: finished.elapsed,
            size_bytes: finished.bytes,
            username: self.shared.account.username.as_str(),
            file_path: &path,
            connection_id: &self.shared.connection.0,
            protocol: self.protocol.name(),
        });
        self.event(action, finished.place, None, finished.file_size);
    }

    /// Hands an event about a file to the actions, when its action is configured.
    pub fn event(
        &self,
        action: FileAction,
        place: &dyn Place,
        target: Option<&dyn Place>,
        file_size: u64,
    ) {
        self.send(action, |event| {
            event.path = place.real_path();
            event.target_path = target.map(Place::real_path).unwrap_or_default();
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
            path: String::new(),
            target_path: String::new(),
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
    pub outcome: Outcome,
    pub bytes: u64,
    /// Size that events report: of the file for an upload, of what was sent for a download.
    pub file_size: u64,
    pub elapsed: Duration,
    pub place: &'a dyn Place,
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
