//! Quota scans: asks a node to count what an account stores, since only nodes have the disks.

use std::collections::HashMap;
use std::sync::Arc;

use ferryd_control_plane::{NodeCommand, NodeId, ScanId, ScanOutcome};
use ferryd_domain::{Account, Fault, FaultKind, Secret, Username};
use parking_lot::Mutex;

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
    purpose: Purpose,
    /// Whether something of the account has changed since the start.
    disturbed: Disturbed,
}

/// Whether something of an account has changed while it was scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disturbed {
    /// The result may lack it or hold it already.
    Yes,
    /// The result is exact.
    No,
}

/// Why a scan runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// An administrator asked for it.
    Asked,
    /// The counters are in doubt.
    Recovery,
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
        self.start_for(account, Purpose::Asked).await
    }

    /// Starts a scan of an account whose counters are in doubt.
    ///
    /// # Errors
    /// As for [`Self::start`].
    pub async fn start_recovery(&self, account: Account) -> Result<(), Fault> {
        self.start_for(account, Purpose::Recovery).await
    }

    async fn start_for(&self, account: Account, purpose: Purpose) -> Result<(), Fault> {
        if self.quota.tracking() == Tracking::Off {
            return Ok(());
        }
        let mut account = self.accounts.with_clear_secrets(account).await?;
        account.password = Secret::default();
        let scan = ScanId(uuid::Uuid::new_v4().to_string());
        let node = self.enter(&account.username, &scan, purpose)?;
        let username = account.username.clone();
        let command = NodeCommand::ScanQuota { scan: scan.clone(), account: Box::new(account) };
        self.nodes.send(&node, command).inspect_err(|_| {
            self.leave(&username, &scan);
        })
    }

    /// Stores what a node has counted; returns whether something has changed meanwhile.
    ///
    /// # Errors
    /// `NotFound` for an unknown scan, `Unavailable` when the result cannot be stored.
    pub async fn finish(&self, outcome: ScanOutcome) -> Result<Disturbed, Fault> {
        let known = |scans: &HashMap<Username, Scan>| {
            scans.get(&outcome.username).is_some_and(|scan| scan.id == outcome.scan)
        };
        if !known(&self.running.lock()) {
            return Err(Fault::not_found("unknown scan"));
        }
        let stored = self.store(&outcome).await;
        let disturbed = self.leave(&outcome.username, &outcome.scan);
        stored.map(|()| disturbed)
    }

    async fn store(&self, outcome: &ScanOutcome) -> Result<(), Fault> {
        let username = &outcome.username;
        let Some(found) = outcome.usage else {
            tracing::warn!(sender = "quota_scans", %username, "a scan failed");
            return Ok(());
        };
        self.quota.replace(username, found, || self.was_disturbed(username)).await
    }

    /// Notes that something of an account changes: what runs counts the old or the new state.
    pub fn disturb(&self, username: &Username) {
        if let Some(scan) = self.running.lock().get_mut(username) {
            scan.disturbed = Disturbed::Yes;
        }
    }

    /// Tells whether something has changed since the scan of an account began.
    pub fn was_disturbed(&self, username: &Username) -> bool {
        self.running.lock().get(username).is_some_and(|scan| scan.disturbed == Disturbed::Yes)
    }

    /// Tells whether an outcome is that of a recovery.
    pub fn is_recovery(&self, outcome: &ScanOutcome) -> bool {
        self.running
            .lock()
            .get(&outcome.username)
            .is_some_and(|scan| scan.id == outcome.scan && scan.purpose == Purpose::Recovery)
    }

    /// Ends a scan whose result does not count.
    pub fn abandon(&self, outcome: &ScanOutcome) {
        self.leave(&outcome.username, &outcome.scan);
    }

    /// Returns how many recoveries run.
    pub fn recoveries(&self) -> usize {
        let mut scans = self.running.lock();
        self.drop_lapsed(&mut scans);
        scans.values().filter(|scan| scan.purpose == Purpose::Recovery).count()
    }

    /// Tells whether a scan of an account runs.
    pub fn is_running(&self, username: &Username) -> bool {
        let mut scans = self.running.lock();
        self.drop_lapsed(&mut scans);
        scans.contains_key(username)
    }

    /// Returns who is scanned and since when, in Unix milliseconds.
    pub fn running(&self) -> Vec<(Username, i64)> {
        let mut scans = self.running.lock();
        self.drop_lapsed(&mut scans);
        let mut running: Vec<_> =
            scans.iter().map(|(user, scan)| (user.clone(), scan.started_at)).collect();
        running.sort();
        running
    }

    fn enter(&self, username: &Username, scan: &ScanId, purpose: Purpose) -> Result<NodeId, Fault> {
        let mut scans = self.running.lock();
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
        let (id, disturbed) = (scan.clone(), Disturbed::No);
        let running = Scan { id, node: node.clone(), started_at, purpose, disturbed };
        scans.insert(username.clone(), running);
        Ok(node)
    }

    fn leave(&self, username: &Username, scan: &ScanId) -> Disturbed {
        let mut scans = self.running.lock();
        match scans.get(username) {
            Some(running) if running.id == *scan => {
                scans.remove(username).map_or(Disturbed::Yes, |ended| ended.disturbed)
            }
            Some(_) | None => Disturbed::Yes,
        }
    }

    /// A scan ends with its node: a restarted node does not know of it.
    fn drop_lapsed(&self, scans: &mut HashMap<Username, Scan>) {
        scans.retain(|_, scan| self.nodes.is_attached(&scan.node));
    }
}
