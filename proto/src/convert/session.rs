//! Sessions: places, leases and what sessions are doing.

use std::time::Duration;

use ferryd_control_plane::{
    Admission, ConnectionId, NodeId, SessionLease, SessionStart, SessionStatus, TransferDirection,
    TransferStatus,
};
use ferryd_domain::Fault;

use super::login::method;
use super::{address, bad_message, list, received_path, required, sent_path, username};
use crate::wire;

impl From<SessionStart> for wire::SessionStart {
    fn from(start: SessionStart) -> Self {
        Self {
            connection: Some(start.connection.0),
            node: Some(start.node.0),
            username: Some(start.username.as_str().to_owned()),
            method: wire::LoginMethod::from(start.method).into(),
            client_address: Some(start.client_address.to_string()),
            client_version: Some(start.client_version),
        }
    }
}

impl TryFrom<wire::SessionStart> for SessionStart {
    type Error = Fault;

    fn try_from(start: wire::SessionStart) -> Result<Self, Fault> {
        Ok(Self {
            connection: ConnectionId(required(start.connection, "connection")?),
            node: NodeId(required(start.node, "node")?),
            username: username(start.username)?,
            method: method(start.method)?,
            client_address: address(start.client_address)?,
            client_version: required(start.client_version, "client_version")?,
        })
    }
}

impl From<Admission> for wire::Admission {
    fn from(admission: Admission) -> Self {
        Self { at: Some(admission.at), max_sessions: Some(admission.max_sessions) }
    }
}

impl TryFrom<wire::Admission> for Admission {
    type Error = Fault;

    fn try_from(admission: wire::Admission) -> Result<Self, Fault> {
        Ok(Self {
            at: required(admission.at, "at")?,
            max_sessions: required(admission.max_sessions, "max_sessions")?,
        })
    }
}

/// An older sender knows nothing of it, which is a case of its own and no lost restriction.
fn admission(sent: Option<wire::Admission>) -> Result<Admission, Fault> {
    sent.map_or_else(|| Ok(Admission::default()), Admission::try_from)
}

impl From<SessionLease> for wire::SessionLease {
    fn from(lease: SessionLease) -> Self {
        let nanos = u64::try_from(lease.lifetime.as_nanos()).unwrap_or(u64::MAX);
        Self {
            connection: Some(lease.connection.0),
            lifetime_nanos: Some(nanos),
            admission: Some(lease.admission.into()),
        }
    }
}

impl TryFrom<wire::SessionLease> for SessionLease {
    type Error = Fault;

    fn try_from(lease: wire::SessionLease) -> Result<Self, Fault> {
        Ok(Self {
            connection: ConnectionId(required(lease.connection, "connection")?),
            lifetime: Duration::from_nanos(required(lease.lifetime_nanos, "lifetime_nanos")?),
            admission: admission(lease.admission)?,
        })
    }
}

impl From<ConnectionId> for wire::CloseSessionRequest {
    fn from(connection: ConnectionId) -> Self {
        Self { connection: Some(connection.0) }
    }
}

impl TryFrom<wire::CloseSessionRequest> for ConnectionId {
    type Error = Fault;

    fn try_from(request: wire::CloseSessionRequest) -> Result<Self, Fault> {
        required(request.connection, "connection").map(Self)
    }
}

impl From<SessionStatus> for wire::SessionStatus {
    fn from(status: SessionStatus) -> Self {
        Self {
            connection: Some(status.connection.0),
            username: Some(status.username.as_str().to_owned()),
            client_version: Some(status.client_version),
            client_address: Some(status.client_address.to_string()),
            connected_at: Some(status.connected_at),
            last_activity: Some(status.last_activity),
            protocol: status.protocol,
            transfers: status.transfers.into_iter().map(Into::into).collect(),
            ssh_command: Some(status.ssh_command),
            admission: Some(status.admission.into()),
        }
    }
}

impl TryFrom<wire::SessionStatus> for SessionStatus {
    type Error = Fault;

    fn try_from(status: wire::SessionStatus) -> Result<Self, Fault> {
        Ok(Self {
            connection: ConnectionId(required(status.connection, "connection")?),
            username: username(status.username)?,
            client_version: required(status.client_version, "client_version")?,
            client_address: address(status.client_address)?,
            connected_at: required(status.connected_at, "connected_at")?,
            last_activity: required(status.last_activity, "last_activity")?,
            protocol: status.protocol,
            transfers: list(status.transfers, "transfers")?,
            ssh_command: required(status.ssh_command, "ssh_command")?,
            admission: admission(status.admission)?,
        })
    }
}

impl From<TransferDirection> for wire::TransferDirection {
    fn from(direction: TransferDirection) -> Self {
        match direction {
            TransferDirection::Upload => Self::Upload,
            TransferDirection::Download => Self::Download,
        }
    }
}

impl TryFrom<wire::TransferDirection> for TransferDirection {
    type Error = Fault;

    fn try_from(direction: wire::TransferDirection) -> Result<Self, Fault> {
        match direction {
            wire::TransferDirection::Unspecified => required(None, "direction"),
            wire::TransferDirection::Upload => Ok(Self::Upload),
            wire::TransferDirection::Download => Ok(Self::Download),
        }
    }
}

impl From<TransferStatus> for wire::TransferStatus {
    fn from(status: TransferStatus) -> Self {
        let (path, path_bytes) = sent_path(status.path);
        Self {
            direction: wire::TransferDirection::from(status.direction).into(),
            path,
            path_bytes,
            started_at: Some(status.started_at),
            last_activity: Some(status.last_activity),
            size: Some(status.size),
        }
    }
}

impl TryFrom<wire::TransferStatus> for TransferStatus {
    type Error = Fault;

    fn try_from(status: wire::TransferStatus) -> Result<Self, Fault> {
        let direction = wire::TransferDirection::try_from(status.direction)
            .map_err(|error| bad_message("unknown transfer direction".to_owned()).because(error))?;
        Ok(Self {
            direction: direction.try_into()?,
            path: received_path(status.path, status.path_bytes, "path")?,
            started_at: required(status.started_at, "started_at")?,
            last_activity: required(status.last_activity, "last_activity")?,
            size: required(status.size, "size")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{assert_round_trip, lease, session_start, session_status};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_start_arrives_as_it_was_sent(start in session_start()) {
            assert_round_trip::<_, wire::SessionStart>(start)?;
        }

        #[test]
        fn a_lease_arrives_as_it_was_sent(lease in lease()) {
            assert_round_trip::<_, wire::SessionLease>(lease)?;
        }

        #[test]
        fn a_status_arrives_as_it_was_sent(status in session_status()) {
            assert_round_trip::<_, wire::SessionStatus>(status)?;
        }

        #[test]
        fn a_connection_id_arrives_as_it_was_sent(id in ".*") {
            assert_round_trip::<_, wire::CloseSessionRequest>(ConnectionId(id))?;
        }
    }

    #[test]
    fn a_lease_of_an_older_control_plane_is_understood() {
        let lease = SessionLease {
            connection: ConnectionId("c".into()),
            admission: Admission { at: 5, max_sessions: 2 },
            lifetime: Duration::from_secs(10),
        };
        let older = wire::SessionLease { admission: None, ..lease.clone().into() };
        let read = SessionLease::try_from(older).unwrap();
        assert_eq!(read, SessionLease { admission: Admission::default(), ..lease });
    }

    #[test]
    fn an_unknown_method_is_an_error() {
        for number in [0, 4, -1] {
            assert!(method(number).is_err(), "{number}");
        }
    }
}
