//! The live sessions of this node, for the reports, the forced close and the limit of sessions.

use std::collections::HashMap;
use std::sync::Arc;

use ferryd_control_plane::{Admission, ConnectionId, SessionStart, SessionStatus};
use parking_lot::Mutex;

use super::Session;
use crate::clock::now_ms;

/// An administrator has closed it, its account has lost the right to it, or it has lost its lease.
const CLOSED_BY_CONTROL_PLANE: &str = "closed by the control plane";

/// Live sessions by connection.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    live: Mutex<HashMap<ConnectionId, Arc<Session>>>,
    /// Those that have their lease and not yet their files.
    opening: Mutex<HashMap<ConnectionId, Start>>,
}

/// A session that is not there yet.
#[derive(Debug)]
struct Start {
    status: SessionStatus,
    /// Whether it is to be closed as soon as it is there.
    unwanted: bool,
}

/// Keeps the lease of a session whose files are being opened, which may take long.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    registry: &'a Registry,
    id: ConnectionId,
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        self.registry.opening.lock().remove(&self.id);
    }
}

impl Registry {
    /// Notes a session that got its lease, so that reports tell of it until it is added.
    pub fn opening(&self, start: &SessionStart, admission: Admission) -> Opening<'_> {
        let now = now_ms();
        let status = SessionStatus {
            connection: start.connection.clone(),
            username: start.username.clone(),
            admission,
            client_version: start.client_version.clone(),
            client_address: start.client_address,
            connected_at: now,
            last_activity: now,
            protocol: None,
            transfers: Vec::new(),
            ssh_command: String::new(),
        };
        let waiting = Start { status, unwanted: false };
        self.opening.lock().insert(start.connection.clone(), waiting);
        Opening { registry: self, id: start.connection.clone() }
    }

    /// Adds a session, which ends at once if it was closed while its files were being opened.
    pub fn insert(&self, session: &Arc<Session>) {
        self.live.lock().insert(session.id.clone(), Arc::clone(session));
        if self.opening.lock().get(&session.id).is_some_and(|start| start.unwanted) {
            session.kill(CLOSED_BY_CONTROL_PLANE);
        }
    }

    /// Removes a session.
    pub fn remove(&self, id: &ConnectionId) {
        self.live.lock().remove(id);
    }

    /// Closes a connection at once, if it is ours.
    pub fn kill(&self, id: &ConnectionId) {
        // In this order: one that is added meanwhile sees the mark or is found.
        if let Some(start) = self.opening.lock().get_mut(id) {
            start.unwanted = true;
        }
        let session = self.live.lock().get(id).cloned();
        if let Some(session) = session {
            session.kill(CLOSED_BY_CONTROL_PLANE);
        }
    }

    /// Returns what every session is doing.
    pub fn statuses(&self) -> Vec<SessionStatus> {
        // In this order: one that is added meanwhile is in one of them.
        let wanted = |start: &&Start| !start.unwanted;
        let opening: Vec<_> =
            self.opening.lock().values().filter(wanted).map(|start| start.status.clone()).collect();
        let live = self.live.lock().clone();
        let opening = opening.into_iter().filter(|status| !live.contains_key(&status.connection));
        opening.chain(live.values().map(|session| session.status())).collect()
    }
}

#[cfg(test)]
mod tests {
    use ferryd_control_plane::NodeId;
    use ferryd_domain::Username;
    use ferryd_domain::policy::LoginMethod;

    use super::*;

    #[test]
    fn a_session_whose_files_are_being_opened_is_reported() {
        let registry = Registry::default();
        let start = SessionStart {
            connection: ConnectionId("c1".into()),
            node: NodeId("n1".into()),
            username: Username::stored("bob"),
            method: LoginMethod::Password,
            client_address: "192.0.2.1:1000".parse().unwrap(),
            client_version: "SSH-2.0-test".into(),
        };
        let opening = registry.opening(&start, Admission { at: 1, max_sessions: 2 });
        let reported = registry.statuses();
        assert_eq!((reported.len(), &reported[0].connection), (1, &start.connection));
        assert!(reported[0].protocol.is_none(), "it is not listed");
        registry.kill(&start.connection);
        assert!(registry.statuses().is_empty(), "it has lost its place");
        drop(opening);
        assert!(registry.statuses().is_empty());
    }
}
