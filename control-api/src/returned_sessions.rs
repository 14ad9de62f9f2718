//! Closes the sessions that a node brings back from a long absence and that others have the places
//! of by now. Runs beside the reports: they wait for no store.

use std::sync::Arc;

use ferryd_control_plane::NodeCommand;
use ferryd_domain::{Fault, FaultKind, Username};

use crate::accounts::Accounts;
use crate::nodes::Nodes;
use crate::sessions::{Sessions, Surplus};

/// Looks after sessions that come back.
#[derive(Debug)]
pub(crate) struct ReturnedSessions {
    sessions: Arc<Sessions>,
    nodes: Arc<Nodes>,
    accounts: Arc<Accounts>,
}

impl ReturnedSessions {
    /// Returns what [`Self::run`] needs.
    pub(crate) fn new(sessions: Arc<Sessions>, nodes: Arc<Nodes>, accounts: Arc<Accounts>) -> Self {
        Self { sessions, nodes, accounts }
    }

    /// Looks at accounts as their sessions come back, until the task is dropped.
    pub(crate) async fn run(self) {
        loop {
            for username in self.sessions.returned().await {
                if let Err(fault) = self.settle(&username).await {
                    // The next report brings them back to the list.
                    tracing::warn!(
                        sender = "sessions", %username, error = %fault,
                        "sessions that came back cannot be counted yet"
                    );
                }
            }
        }
    }

    async fn settle(&self, username: &Username) -> Result<(), Fault> {
        if self.sessions.settle_uncrowded(username) {
            return Ok(());
        }
        let limit = self.limit_of(username).await?;
        for surplus in self.sessions.surplus(username, limit) {
            self.close(username, &surplus, limit)?;
        }
        self.sessions.settle(username, limit);
        Ok(())
    }

    /// Sessions of an account that is gone are not for this to close.
    async fn limit_of(&self, username: &Username) -> Result<i32, Fault> {
        match self.accounts.find(username).await {
            Ok(account) => Ok(account.max_sessions),
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok(0),
            Err(fault) => Err(fault),
        }
    }

    fn close(&self, username: &Username, surplus: &Surplus, limit: i32) -> Result<(), Fault> {
        let Some(node) = self.sessions.node_of(&surplus.connection) else { return Ok(()) };
        self.nodes.send(&node, NodeCommand::CloseConnection(surplus.connection.clone()))?;
        self.sessions.give_up(surplus);
        tracing::warn!(
            sender = "sessions", %username, connection_id = %surplus.connection, node = %node.0,
            max_sessions = limit,
            "a session is closed: its node was away for too long and others have its place"
        );
        Ok(())
    }
}
