//! Attached nodes: their command streams, their reports. Lists and closes connections.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferryd_control_plane::{
    ConnectionId, NodeCommand, NodeCommands, NodeId, NodeInfo, NodeReport, SessionStatus,
};
use ferryd_domain::Fault;
use futures::StreamExt;
use parking_lot::Mutex;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::sessions::{LIFETIME, Sessions};

/// Commands that may wait for one node.
const QUEUE: usize = 256;
/// How long a list of connections waits for the nodes.
const PATIENCE: Duration = Duration::from_secs(1);

/// The nodes of the cluster.
#[derive(Debug)]
pub struct Nodes {
    sessions: Arc<Sessions>,
    state: Arc<Mutex<State>>,
    /// Tells those who wait for reports.
    reported: Notify,
    number: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    attached: HashMap<NodeId, Attached>,
    reports: HashMap<NodeId, LastReport>,
    attachments: u64,
}

#[derive(Debug)]
struct Attached {
    commands: mpsc::Sender<NodeCommand>,
    /// Tells a stream from the one that replaced it.
    attachment: u64,
}

#[derive(Debug)]
struct LastReport {
    at: Instant,
    number: u64,
    sessions: Vec<SessionStatus>,
}

/// What became of a command that is not urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// The node will read it.
    Taken,
    /// Too many wait already.
    Busy,
    /// The node is not attached.
    Gone,
}

/// Detaches a node when its command stream goes away.
struct Attachment {
    state: Arc<Mutex<State>>,
    node: NodeId,
    attachment: u64,
}

impl Nodes {
    /// Returns an empty set of nodes.
    pub fn new(sessions: Arc<Sessions>) -> Self {
        Self { sessions, state: Arc::default(), reported: Notify::new(), number: AtomicU64::new(1) }
    }

    /// Makes a node known, takes over its sessions and returns its commands. A node that attaches
    /// again ends its former stream.
    pub fn attach(&self, info: NodeInfo) -> NodeCommands {
        tracing::info!(
            sender = "nodes", node = %info.node.0, version = %info.version,
            sessions = info.sessions.len(), "a node is attached"
        );
        let (commands, receiver) = mpsc::channel(QUEUE);
        let mut state = self.state.lock();
        state.attachments += 1;
        let attachment = state.attachments;
        state.attached.insert(info.node.clone(), Attached { commands, attachment });
        drop(state);
        self.report(NodeReport { node: info.node.clone(), number: 0, sessions: info.sessions });
        let guard = Attachment { state: Arc::clone(&self.state), node: info.node, attachment };
        ReceiverStream::new(receiver)
            .map(move |command| {
                let _ = &guard;
                command
            })
            .boxed()
    }

    /// Takes a report: renews the leases of the node's sessions and keeps it for the list.
    pub fn report(&self, report: NodeReport) {
        self.sessions.renew(&report.node, &report.sessions);
        let mut state = self.state.lock();
        let former = state.reports.get(&report.node).map_or(0, |last| last.number);
        state.reports.insert(
            report.node,
            LastReport {
                at: Instant::now(),
                // An unasked report does not undo the answer that somebody waits for.
                number: report.number.max(former),
                sessions: report.sessions,
            },
        );
        drop(state);
        self.reported.notify_waiters();
    }

    /// Returns the connections that run something, as they are now; nodes that do not answer
    /// within a second are shown as they were in their last report.
    pub async fn sessions(&self) -> Vec<SessionStatus> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let asked = self.ask_all(number);
        let _ = tokio::time::timeout(PATIENCE, self.wait_for(&asked, number)).await;
        let state = self.state.lock();
        let mut sessions: Vec<_> = state
            .reports
            .values()
            .filter(|report| report.at.elapsed() < LIFETIME)
            .flat_map(|report| &report.sessions)
            .filter(|session| session.protocol.is_some())
            .cloned()
            .collect();
        drop(state);
        sessions
            .sort_by(|a, b| (a.connected_at, &a.connection).cmp(&(b.connected_at, &b.connection)));
        sessions
    }

    /// Closes a connection on whatever node it is.
    ///
    /// # Errors
    /// `NotFound` for an unknown connection, `Unavailable` when its node cannot be told.
    pub async fn close(&self, connection: &ConnectionId) -> Result<(), Fault> {
        let node =
            self.sessions.node_of(connection).ok_or_else(|| Fault::not_found("Not Found"))?;
        self.send(&node, NodeCommand::CloseConnection(connection.clone()))
    }

    /// Sends a command to one node.
    ///
    /// # Errors
    /// `Unavailable` when it is not attached or does not read its commands.
    pub fn send(&self, node: &NodeId, command: NodeCommand) -> Result<(), Fault> {
        let state = self.state.lock();
        let attached = state
            .attached
            .get(node)
            .ok_or_else(|| Fault::unavailable("the node is not attached"))?;
        attached
            .commands
            .try_send(command)
            .map_err(|_| Fault::unavailable("the node does not read its commands"))
    }

    /// Sends a command that is not urgent: it never takes the room of those that are.
    pub fn offer(&self, node: &NodeId, command: NodeCommand) -> Offer {
        let state = self.state.lock();
        let Some(attached) = state.attached.get(node) else { return Offer::Gone };
        if attached.commands.capacity() <= QUEUE / 2 {
            return Offer::Busy;
        }
        match attached.commands.try_send(command) {
            Ok(()) => Offer::Taken,
            Err(mpsc::error::TrySendError::Full(_)) => Offer::Busy,
            Err(mpsc::error::TrySendError::Closed(_)) => Offer::Gone,
        }
    }

    /// Returns the attached nodes, the one that reported last first.
    pub fn attached(&self) -> Vec<NodeId> {
        let state = self.state.lock();
        let mut nodes: Vec<_> = state.attached.keys().cloned().collect();
        nodes.sort_by_key(|node| {
            (state.reports.get(node).map(|last| last.at.elapsed()), node.clone())
        });
        nodes
    }

    /// Tells whether a node is attached.
    pub fn is_attached(&self, node: &NodeId) -> bool {
        self.state.lock().attached.contains_key(node)
    }

    /// Forgets reports that nobody renews.
    pub fn sweep(&self) {
        self.state.lock().reports.retain(|_, report| report.at.elapsed() < LIFETIME);
    }

    fn ask_all(&self, number: u64) -> Vec<NodeId> {
        let state = self.state.lock();
        let asked = state.attached.iter().filter(|(_, attached)| {
            attached.commands.try_send(NodeCommand::Report { number }).is_ok()
        });
        asked.map(|(node, _)| node.clone()).collect()
    }

    async fn wait_for(&self, asked: &[NodeId], number: u64) {
        loop {
            let mut reported = std::pin::pin!(self.reported.notified());
            // Registered before the look, so that a report in between is not missed.
            reported.as_mut().enable();
            if self.have_answered(asked, number) {
                return;
            }
            reported.await;
        }
    }

    fn have_answered(&self, asked: &[NodeId], number: u64) -> bool {
        let state = self.state.lock();
        asked.iter().all(|node| {
            !state.attached.contains_key(node)
                || state.reports.get(node).is_some_and(|report| report.number >= number)
        })
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if state.attached.get(&self.node).is_some_and(|a| a.attachment == self.attachment) {
            state.attached.remove(&self.node);
            tracing::info!(sender = "nodes", node = %self.node.0, "a node is detached");
        }
    }
}

#[cfg(test)]
mod tests;
