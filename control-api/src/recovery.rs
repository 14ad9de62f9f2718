//! Counters that may be wrong after a crash: whose they are is noted in a file before a change of
//! files is acknowledged, and once such an account is quiet a scan sets them right. Nothing is done for accounts whose
//! sessions ended in order.

mod journal;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ferryd_control_plane::{
    Certainty, ConnectionId, ScanOutcome, SessionStatus, TransferDirection, UsageChange,
};
use ferryd_domain::{Account, Fault, FaultKind, QuotaLimit, Username};
use ferryd_runtime::ticks;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::accounts::Accounts;
use crate::doubts::Doubts;
use crate::nodes::Nodes;
use crate::quota::{Quota, Tracking, Writes};
use crate::quota_scans::{Disturbed, QuotaScans};
use crate::sessions::Sessions;
use journal::KeptJournal;

/// How often it is looked whether somebody can be scanned.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long an account must have done nothing before it is scanned.
const QUIET: Duration = Duration::from_secs(3);
/// Scans that run at once.
const AT_ONCE: usize = 2;

/// What the sessions of an account show; equal twice means that nothing was done in between.
type Picture = Vec<(ConnectionId, i64)>;

/// Finds the accounts whose counters are in doubt and scans them.
#[derive(Debug)]
pub struct Recovery {
    sessions: Arc<Sessions>,
    nodes: Arc<Nodes>,
    quota: Arc<Quota>,
    scans: Arc<QuotaScans>,
    accounts: Arc<Accounts>,
    doubts: Arc<Doubts>,
    journal: OnceLock<KeptJournal>,
    seen: Mutex<HashMap<Username, Seen>>,
}

#[derive(Debug)]
struct Seen {
    picture: Picture,
    since: Instant,
}

impl Recovery {
    /// Returns a recovery that forgets everything at the end of the process.
    pub fn new(
        sessions: Arc<Sessions>,
        nodes: Arc<Nodes>,
        quota: Arc<Quota>,
        scans: Arc<QuotaScans>,
        accounts: Arc<Accounts>,
    ) -> Self {
        let doubts = sessions.doubts();
        Self {
            sessions,
            nodes,
            quota,
            scans,
            accounts,
            doubts,
            journal: OnceLock::new(),
            seen: Mutex::default(),
        }
    }

    /// Keeps a file of the accounts whose counters a crash would put in doubt, and doubts the
    /// accounts that the file names now. Must be called within a runtime, once.
    pub fn remember_in(&self, file: &Path) {
        if self.quota.tracking() == Tracking::Off || self.quota.writes() == Writes::Forbidden {
            return;
        }
        let (journal, names) = KeptJournal::start(file);
        if self.journal.set(journal).is_err() {
            return;
        }
        if !names.is_empty() {
            tracing::info!(
                sender = "quota",
                accounts = names.len(),
                "counters are in doubt since the last run, accounts will be scanned"
            );
        }
        names.iter().for_each(|name| self.doubts.add(name));
    }

    /// Notes that a session may change files from now on.
    pub fn session_opened(&self, account: &Account) {
        self.scans.disturb(&account.username);
        if self.is_counted(account) {
            self.note(&account.username);
        }
    }

    /// Returns when a crash can do no harm any more to the counters of a session that changes
    /// files.
    pub async fn ready(&self, username: &Username) {
        if let Some(journal) = self.journal.get() {
            journal.stored(username).await;
        }
    }

    /// Notes that files change; the name of the account is on the disk when this returns. What a
    /// node is not sure of, what several nodes change at once, and what comes after the last
    /// session, so that a scan may have counted it, is counted anew.
    pub async fn changed(&self, change: &UsageChange) {
        let username = &change.username;
        self.scans.disturb(username);
        if self.quota.tracking() == Tracking::Off || self.quota.writes() == Writes::Forbidden {
            return;
        }
        if change.certainty == Certainty::Doubtful
            || self.sessions.is_shared(username)
            || !self.sessions.has(username)
        {
            self.doubts.add(username);
            self.note(username);
        } else if self.may_be_counted(username) {
            self.note(username);
        }
        self.ready(username).await;
    }

    /// Leaves the accounts in the file that a crash would put in doubt even now. Called last, when the
    /// counters are written.
    pub async fn shutdown(&self) {
        if let Some(journal) = self.journal.get() {
            journal.close(|username| self.is_at_risk(username)).await;
        }
    }

    /// Returns how often the file was written since it was opened.
    #[cfg(test)]
    pub(crate) fn journal_writes(&self) -> u64 {
        self.journal.get().map_or(0, |journal| journal.writes())
    }

    fn note(&self, username: &Username) {
        if let Some(journal) = self.journal.get() {
            journal.add(username);
        }
    }

    /// Looks every second for accounts to scan, until the task is dropped.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = ticks(INTERVAL);
        loop {
            ticks.tick().await;
            self.scan_quiet_ones().await;
            self.tidy();
        }
    }

    /// Takes what a scan has found; one of ours counts only if nothing was done meanwhile.
    ///
    /// # Errors
    /// `NotFound` for an unknown scan, `Unavailable`.
    pub async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        if !self.scans.is_recovery(&outcome) {
            return self.finish_requested_scan(outcome).await;
        }
        let username = outcome.username.clone();
        let statuses = self.nodes.sessions().await;
        let quiet = picture(&statuses, &username)
            .is_some_and(|now| self.seen.lock().get(&username).is_some_and(|s| s.picture == now));
        let counted = outcome.usage.is_some();
        if !quiet || self.scans.was_disturbed(&username) {
            self.scans.abandon(&outcome);
            return Ok(());
        }
        // Before the counters are set: a change that arrives from now on is a doubt of its own.
        self.doubts.remove(&username);
        let disturbed = self.scans.finish(outcome).await.inspect_err(|_| {
            self.doubts.add(&username);
        })?;
        self.seen.lock().remove(&username);
        match (counted, disturbed) {
            (true, Disturbed::No) => {
                tracing::info!(sender = "quota", %username, "counters are right again");
            }
            (false, _) | (_, Disturbed::Yes) => self.doubts.add(&username),
        }
        Ok(())
    }

    /// Takes what a scan that somebody asked for has found. It has counted what a running upload
    /// has stored so far, which is counted once more at the end of the upload.
    async fn finish_requested_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        let username = outcome.username.clone();
        let uploads = picture(&self.nodes.sessions().await, &username).is_none();
        let disturbed = self.scans.finish(outcome).await?;
        if uploads || matches!(disturbed, Disturbed::Yes) {
            self.doubts.add(&username);
        }
        Ok(())
    }

    async fn scan_quiet_ones(&self) {
        let doubtful = self.doubts.all();
        if doubtful.is_empty() {
            return;
        }
        let statuses = self.nodes.sessions().await;
        for username in doubtful {
            self.note(&username);
            if self.scans.recoveries() >= AT_ONCE {
                return;
            }
            if self.is_quiet(&statuses, &username) && !self.scans.is_running(&username) {
                self.scan(&username).await;
            }
        }
    }

    fn is_quiet(&self, statuses: &[SessionStatus], username: &Username) -> bool {
        let mut seen = self.seen.lock();
        let Some(picture) = picture(statuses, username) else {
            seen.remove(username);
            return false;
        };
        let now = Instant::now();
        match seen.get_mut(username) {
            Some(seen) if seen.picture == picture => now - seen.since >= QUIET,
            _ => {
                seen.insert(username.clone(), Seen { picture, since: now });
                false
            }
        }
    }

    async fn scan(&self, username: &Username) {
        let started = match self.accounts.find(username).await {
            Ok(account) if self.is_counted(&account) => self.scans.start_recovery(account).await,
            Ok(_) => return self.doubts.remove(username),
            Err(fault) if fault.kind() == FaultKind::NotFound => {
                return self.doubts.remove(username);
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = started {
            tracing::debug!(sender = "quota", %username, error = %fault, "a scan has to wait");
        }
    }

    fn is_counted(&self, account: &Account) -> bool {
        match self.quota.tracking() {
            Tracking::Off => false,
            _ if self.quota.writes() == Writes::Forbidden => false,
            Tracking::All => true,
            Tracking::Limited => account.quota_limit().is_limited(),
        }
    }

    fn may_be_counted(&self, username: &Username) -> bool {
        match self.quota.tracking() {
            Tracking::Off => false,
            Tracking::All => true,
            Tracking::Limited => {
                self.sessions.limit_of(username, None).is_none_or(QuotaLimit::is_limited)
            }
        }
    }

    fn is_at_risk(&self, username: &Username) -> bool {
        self.sessions.has(username) || self.doubts.has(username) || self.quota.is_pending(username)
    }

    /// Takes the accounts out of the file that a crash would not put in doubt.
    fn tidy(&self) {
        if let Some(journal) = self.journal.get() {
            journal.retain(|username| self.is_at_risk(username));
        }
        self.seen.lock().retain(|username, _| self.doubts.has(username));
    }
}

/// Returns what an account is doing, `None` while it uploads.
fn picture(statuses: &[SessionStatus], username: &Username) -> Option<Picture> {
    let mut picture = Vec::new();
    for status in statuses.iter().filter(|status| status.username == *username) {
        if status.transfers.iter().any(|t| t.direction == TransferDirection::Upload) {
            return None;
        }
        picture.push((status.connection.clone(), status.last_activity));
    }
    picture.sort();
    Some(picture)
}
