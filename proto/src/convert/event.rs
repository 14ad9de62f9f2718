//! File events.

use ferryd_domain::{EventId, Fault, FileAction, FileEvent};

use super::{bad_message, received_path, required, sent_path, username};
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
        let (path, path_bytes) = sent_path(event.path);
        let (target_path, target_path_bytes) = sent_path(event.target_path);
        Self {
            id: Some(event.id.0),
            action: wire::FileAction::from(event.action).into(),
            username: Some(event.username.as_str().to_owned()),
            path,
            path_bytes,
            target_path,
            target_path_bytes,
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
            path: received_path(event.path, event.path_bytes, "path")?,
            target_path: received_path(event.target_path, event.target_path_bytes, "target_path")?,
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

    #[test]
    fn a_peer_without_the_bytes_is_understood_and_understands() {
        let event = FileEvent {
            id: EventId("e".into()),
            action: FileAction::Rename,
            username: ferryd_domain::Username::stored("bob"),
            path: b"/caf\xe9".to_vec().into(),
            target_path: "/café".into(),
            ssh_command: String::new(),
            file_size: 0,
            local_file: true,
        };
        let sent = wire::FileEvent::from(event);
        assert_eq!(sent.path.as_deref(), Some("/caf\u{fffd}"));
        assert_eq!(sent.path_bytes.as_deref(), Some(b"/caf\xe9".as_slice()));
        assert_eq!((sent.target_path.as_deref(), &sent.target_path_bytes), (Some("/café"), &None));
        let older = wire::FileEvent { path_bytes: None, ..sent };
        assert_eq!(FileEvent::try_from(older).unwrap().path.to_text(), "/caf\u{fffd}");
    }

    proptest! {
        #[test]
        fn an_event_arrives_as_it_was_sent(event in file_event()) {
            assert_round_trip::<_, wire::FileEvent>(event)?;
        }
    }
}
