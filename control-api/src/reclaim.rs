//! Evicts sessions that a node reclaims after a long absence and whose leases other sessions have by
//! now. Runs beside the reports: they wait for no store.

use std::sync::Arc;

use ferryd_control_plane::NodeCommand;
use ferryd_domain::{Fault, FaultKind, Username};

use crate::accounts::Accounts;
use crate::nodes::Nodes;
use crate::sessions::{Eviction, Sessions};

/// Checks the limits of accounts whose sessions were reclaimed.
#[derive(Debug)]
pub(crate) struct Reclaim {
    sessions: Arc<Sessions>,
    nodes: Arc<Nodes>,
    accounts: Arc<Accounts>,
}

impl Reclaim {
    /// Returns what [`Self::run`] needs.
    pub(crate) fn new(sessions: Arc<Sessions>, nodes: Arc<Nodes>, accounts: Arc<Accounts>) -> Self {
        Self { sessions, nodes, accounts }
    }

    /// Looks at accounts as their sessions come back, until the task is dropped.
    pub(crate) async fn run(self) {
        loop {
            for username in self.sessions.reclaimed().await {
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
        for eviction in self.sessions.evictions(username, limit) {
            self.evict(username, &eviction, limit)?;
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

    fn evict(&self, username: &Username, eviction: &Eviction, limit: i32) -> Result<(), Fault> {
        let Some(node) = self.sessions.node_of(&eviction.connection) else { return Ok(()) };
        self.nodes.send(&node, NodeCommand::CloseConnection(eviction.connection.clone()))?;
        self.sessions.evict(eviction);
        tracing::warn!(
            sender = "sessions", %username, connection_id = %eviction.connection, node = %node.0,
            max_sessions = limit,
            "a session is closed: its node was away for too long and others have its lease"
        );
        Ok(())
    }
}
