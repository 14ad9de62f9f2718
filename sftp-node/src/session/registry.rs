//! The live sessions of this node, for the reports, the forced close and the limit of places.

use std::collections::HashMap;
use std::sync::Arc;

use ferryd_control_plane::{ConnectionId, SessionStatus};
use parking_lot::Mutex;

use super::Session;

/// Live sessions by connection.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<HashMap<ConnectionId, Arc<Session>>>);

impl Registry {
    /// Adds a session.
    pub fn insert(&self, session: &Arc<Session>) {
        self.0.lock().insert(session.id.clone(), Arc::clone(session));
    }

    /// Removes a session.
    pub fn remove(&self, id: &ConnectionId) {
        self.0.lock().remove(id);
    }

    /// Closes a connection at once, if it is ours.
    pub fn kill(&self, id: &ConnectionId) {
        let session = self.0.lock().get(id).cloned();
        if let Some(session) = session {
            session.kill();
        }
    }

    /// Returns what every session is doing.
    pub fn statuses(&self) -> Vec<SessionStatus> {
        let sessions: Vec<_> = self.0.lock().values().cloned().collect();
        sessions.iter().map(|session| session.status()).collect()
    }
}
