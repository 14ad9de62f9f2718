//! The grace period after a restart of a split control plane. The nodes that may have sessions are
//! kept in a file beside the database; after a restart those that the file names have to reclaim
//! their leases before the sessions of an account can be counted: until then, or until the leases
//! have lapsed, logins that a limit concerns wait.

mod roster;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::NodeId;
use ferryd_domain::Fault;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::nodes::Nodes;
use crate::sessions::{LIFETIME, Sessions};

/// Pause after the file could not be written.
const RETRY_DELAY: Duration = Duration::from_secs(30);

/// Logins that may wait at once; further ones are refused.
const MOST_WAITING: usize = 4096;

/// Whether a login had to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waited {
    /// It did: what was known of its account may be old.
    Yes,
    /// All sessions were known.
    No,
}

/// The nodes of this run and those of the run before that have not come back.
#[derive(Debug)]
pub(crate) struct GracePeriod {
    state: Mutex<State>,
    /// Whether nobody is waited for.
    complete: watch::Sender<bool>,
    waiting: Semaphore,
    /// Held while the file is written.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// `None` when nothing is kept.
    file: Option<PathBuf>,
    listed: HashSet<NodeId>,
    /// Counts the changes of the list.
    version: u64,
    /// The version that is in the file.
    stored: u64,
    /// When the file could not be written.
    broken: Option<Instant>,
    missing: HashSet<NodeId>,
    /// When the leases of the missing nodes have lapsed.
    until: Option<Instant>,
}

impl Default for GracePeriod {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            complete: watch::Sender::new(true),
            waiting: Semaphore::new(MOST_WAITING),
            writing: tokio::sync::Mutex::default(),
        }
    }
}

impl GracePeriod {
    /// Keeps a file from now on, and waits for the nodes that it names now.
    pub(crate) async fn remember_in(&self, file: PathBuf) {
        let named = roster::read(file.clone()).await;
        let mut state = self.state.lock();
        tracing::debug!(sender = "nodes", nodes = named.len(), "nodes of the last run");
        self.complete.send_replace(named.is_empty());
        *state = State {
            file: Some(file),
            listed: named.clone(),
            missing: named,
            until: Some(Instant::now() + LIFETIME),
            ..State::default()
        };
    }

    /// Waits until all sessions of the cluster are known.
    ///
    /// # Errors
    /// `Unavailable` when too many wait already.
    pub(crate) async fn wait(&self) -> Result<Waited, Fault> {
        let Some(until) = self.missing_until() else { return Ok(Waited::No) };
        let _permit = self.waiting.try_acquire().map_err(|_| {
            Fault::unavailable("too many logins wait for the nodes of a restarted control plane")
        })?;
        let mut complete = self.complete.subscribe();
        // At the end of this time their leases have lapsed.
        let _ = tokio::time::timeout_at(until, complete.wait_for(|complete| *complete)).await;
        Ok(Waited::Yes)
    }

    /// Notes that a node has told of all its sessions.
    pub(crate) fn has_told(&self, node: &NodeId) {
        let mut state = self.state.lock();
        if state.missing.remove(node) && state.missing.is_empty() {
            tracing::info!(sender = "nodes", "all nodes of the last run are back");
            self.complete.send_replace(true);
        }
    }

    /// Makes sure that a node is in the file; called before it is told that it has a lease, and
    /// after that lease was taken.
    pub(crate) async fn list(self: &Arc<Self>, node: &NodeId) {
        if self.enter(node) == Listed::Stored {
            return;
        }
        // A task of its own: a caller that goes away must not end it halfway.
        let writing = tokio::spawn(Arc::clone(self).store());
        if let Err(error) = writing.await {
            tracing::warn!(sender = "nodes", %error, "the nodes were not noted");
        }
    }

    /// Gives up the nodes whose leases have lapsed, and takes those out of the file that have gone.
    pub(crate) fn sweep(self: &Arc<Self>, sessions: &Sessions, nodes: &Nodes) {
        self.give_up_missing();
        if self.strike(sessions, nodes) {
            tokio::spawn(Arc::clone(self).store());
        }
    }

    /// Leaves those in the file that have sessions: they outlive this process.
    pub(crate) async fn shutdown(self: &Arc<Self>, sessions: &Sessions, nodes: &Nodes) {
        self.strike(sessions, nodes);
        Arc::clone(self).store().await;
    }

    fn enter(&self, node: &NodeId) -> Listed {
        let mut state = self.state.lock();
        if state.file.is_none() {
            return Listed::Stored;
        }
        if state.listed.insert(node.clone()) {
            state.version += 1;
        }
        if state.stored == state.version { Listed::Stored } else { Listed::Waiting }
    }

    fn missing_until(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.until.filter(|until| !state.missing.is_empty() && Instant::now() < *until)
    }

    fn give_up_missing(&self) {
        let mut state = self.state.lock();
        if state.missing.is_empty() || state.until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let missing = std::mem::take(&mut state.missing);
        tracing::warn!(sender = "nodes", nodes = missing.len(), "nodes of the last run are gone");
        self.complete.send_replace(true);
    }

    /// A lease that was taken before [`Self::list`] looked is seen here, because both look under
    /// the same lock.
    fn strike(&self, sessions: &Sessions, nodes: &Nodes) -> bool {
        let mut state = self.state.lock();
        if state.broken.is_some_and(|since| since.elapsed() >= RETRY_DELAY) {
            state.version += 1;
            return true;
        }
        let is_away = |node: &&NodeId| !state.missing.contains(*node) && !nodes.is_attached(node);
        let mut gone: HashSet<_> = state.listed.iter().filter(is_away).cloned().collect();
        if gone.is_empty() {
            return false;
        }
        let with_leases = sessions.nodes();
        gone.retain(|node| !with_leases.contains(node));
        state.listed.retain(|node| !gone.contains(node));
        state.version += u64::from(!gone.is_empty());
        state.stored != state.version
    }

    /// Writes the list unless somebody else has.
    async fn store(self: Arc<Self>) {
        let _one = self.writing.lock().await;
        let Some((file, listed, version)) = self.unstored() else { return };
        let written = roster::write(file.clone(), listed).await;
        let mut state = self.state.lock();
        match written {
            Ok(()) => state.broken = None,
            Err(error) => {
                if state.broken.replace(Instant::now()).is_none() {
                    tracing::warn!(
                        sender = "nodes", file = %file.display(), %error,
                        "nodes cannot be noted: after a restart limits of sessions hold a little later"
                    );
                }
            }
        }
        // No login waits for a file that cannot be written.
        state.stored = version;
    }

    fn unstored(&self) -> Option<(PathBuf, HashSet<NodeId>, u64)> {
        let state = self.state.lock();
        let file = state.file.clone().filter(|_| state.stored != state.version)?;
        Some((file, state.listed.clone(), state.version))
    }
}

/// Where the name of a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Listed {
    /// In the file, or nothing is kept.
    Stored,
    /// It has to be written.
    Waiting,
}

#[cfg(test)]
mod tests;
