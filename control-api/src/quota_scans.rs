//! Quota scans: asks a node to count what an account stores, since only nodes have the disks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ferryd_control_plane::{NodeCommand, NodeId, ScanId, ScanOutcome};
use ferryd_domain::{Account, Fault, FaultKind, Secret, Username};

use crate::accounts::Accounts;
use crate::nodes::Nodes;
use crate::quota::{Quota, Tracking};

/// The scans that are running.
#[derive(Debug)]
pub struct QuotaScans {
    nodes: Arc<Nodes>,
    quota: Arc<Quota>,
    accounts: Arc<Accounts>,
    running: Mutex<HashMap<Username, Scan>>,
}

#[derive(Debug)]
struct Scan {
    id: ScanId,
    node: NodeId,
    started_at: i64,
}

impl QuotaScans {
    /// Returns no scans over these nodes.
    pub fn new(nodes: Arc<Nodes>, quota: Arc<Quota>, accounts: Arc<Accounts>) -> Self {
        Self { nodes, quota, accounts, running: Mutex::default() }
    }

    /// Starts a scan on one of the nodes. Without quota tracking nothing is done.
    ///
    /// # Errors
    /// `Conflict` when one is running for this user, `Unavailable` without a node.
    pub async fn start(&self, account: Account) -> Result<(), Fault> {
        if self.quota.tracking() == Tracking::Off {
            return Ok(());
        }
        let mut account = self.accounts.with_clear_secrets(account).await?;
        account.password = Secret::default();
        let scan = ScanId(uuid::Uuid::new_v4().to_string());
        let node = self.enter(&account.username, &scan)?;
        let username = account.username.clone();
        let command = NodeCommand::ScanQuota { scan: scan.clone(), account: Box::new(account) };
        self.nodes.send(&node, command).inspect_err(|_| {
            self.leave(&username, &scan);
        })
    }

    /// Stores what a node has counted.
    ///
    /// # Errors
    /// `NotFound` for an unknown scan, `Unavailable` when the result cannot be stored.
    pub async fn finish(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        let known = |scans: &HashMap<Username, Scan>| {
            scans.get(&outcome.username).is_some_and(|scan| scan.id == outcome.scan)
        };
        if !known(&self.scans()) {
            return Err(Fault::not_found("unknown scan"));
        }
        match outcome.usage {
            Some(usage) => self.quota.replace(&outcome.username, usage).await?,
            None => tracing::warn!(
                sender = "quota_scans", username = %outcome.username, "a scan failed"
            ),
        }
        self.leave(&outcome.username, &outcome.scan);
        Ok(())
    }

    /// Returns who is scanned and since when, in Unix milliseconds.
    pub fn running(&self) -> Vec<(Username, i64)> {
        let mut scans = self.scans();
        self.drop_lapsed(&mut scans);
        let mut running: Vec<_> =
            scans.iter().map(|(user, scan)| (user.clone(), scan.started_at)).collect();
        running.sort();
        running
    }

    fn enter(&self, username: &Username, scan: &ScanId) -> Result<NodeId, Fault> {
        let mut scans = self.scans();
        self.drop_lapsed(&mut scans);
        if scans.contains_key(username) {
            return Err(Fault::new(FaultKind::Conflict, "Another scan is already in progress"));
        }
        let node = self
            .nodes
            .attached()
            .into_iter()
            .next()
            .ok_or_else(|| Fault::unavailable("no node is attached that could scan"))?;
        let started_at = crate::clock::now_ms();
        scans.insert(username.clone(), Scan { id: scan.clone(), node: node.clone(), started_at });
        Ok(node)
    }

    fn leave(&self, username: &Username, scan: &ScanId) {
        let mut scans = self.scans();
        if scans.get(username).is_some_and(|running| running.id == *scan) {
            scans.remove(username);
        }
    }

    /// A scan ends with its node: a restarted node does not know of it.
    fn drop_lapsed(&self, scans: &mut HashMap<Username, Scan>) {
        scans.retain(|_, scan| self.nodes.is_attached(&scan.node));
    }

    fn scans(&self) -> MutexGuard<'_, HashMap<Username, Scan>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
