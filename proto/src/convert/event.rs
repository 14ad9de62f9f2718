//! File events.

use ferryd_domain::{EventId, Fault, FileAction, FileEvent};

use super::{bad_message, required, username};
use crate::wire;

impl From<FileAction> for wire::FileAction {
    fn from(action: FileAction) -> Self {
        match action {
            FileAction::Download => Self::Download,
            FileAction::Upload => Self::Upload,
            FileAction::Delete => Self::Delete,
            FileAction::Rename => Self::Rename,
            FileAction::SshCommand => Self::SshCommand,
        }
    }
}

impl TryFrom<wire::FileAction> for FileAction {
    type Error = Fault;

    fn try_from(action: wire::FileAction) -> Result<Self, Fault> {
        match action {
            wire::FileAction::Unspecified => required(None, "action"),
            wire::FileAction::Download => Ok(Self::Download),
            wire::FileAction::Upload => Ok(Self::Upload),
            wire::FileAction::Delete => Ok(Self::Delete),
            wire::FileAction::Rename => Ok(Self::Rename),
            wire::FileAction::SshCommand => Ok(Self::SshCommand),
        }
    }
}

impl From<FileEvent> for wire::FileEvent {
    fn from(event: FileEvent) -> Self {
        Self {
            id: Some(event.id.0),
            action: wire::FileAction::from(event.action).into(),
            username: Some(event.username.as_str().to_owned()),
            path: Some(event.path),
            target_path: Some(event.target_path),
            ssh_command: Some(event.ssh_command),
            file_size: Some(event.file_size),
            local_file: Some(event.local_file),
        }
    }
}

impl TryFrom<wire::FileEvent> for FileEvent {
    type Error = Fault;

    fn try_from(event: wire::FileEvent) -> Result<Self, Fault> {
        let action = wire::FileAction::try_from(event.action)
            .map_err(|error| bad_message("unknown file action".to_owned()).because(error))?;
        Ok(Self {
            id: EventId(required(event.id, "id")?),
            action: action.try_into()?,
            username: username(event.username)?,
            path: required(event.path, "path")?,
            target_path: required(event.target_path, "target_path")?,
            ssh_command: required(event.ssh_command, "ssh_command")?,
            file_size: required(event.file_size, "file_size")?,
            local_file: required(event.local_file, "local_file")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{assert_round_trip, file_event};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_event_arrives_as_it_was_sent(event in file_event()) {
            assert_round_trip::<_, wire::FileEvent>(event)?;
        }
    }
}
