//! Used quota: reserves room for running transfers, adds up changes and writes them behind, in one
//! transaction for all users every [`FLUSH_DELAY`]. Reads always include what is not written yet.

mod ledger;
mod recent;
mod stored;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{ConnectionId, Grant, GrantRequest, UsageChange};
use ferryd_data_provider::{DataProvider, QuotaChange, QuotaTurn};
use ferryd_domain::{Account, Fault, FaultKind, QuotaLimit, QuotaUsage, Username};
use parking_lot::Mutex;
use tokio::sync::{Notify, RwLock};

use crate::sessions::Sessions;
use ledger::{Delta, Ledger};
pub(crate) use recent::Recent;
use stored::Stored;

/// How long a change may wait for others before it is written.
const FLUSH_DELAY: Duration = Duration::from_millis(80);
/// Pause after a store did not answer.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Whose usage is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// Nobody's; there are no limits either.
    Off,
    /// Everybody's.
    All,
    /// That of users with a limit.
    Limited,
}

impl Tracking {
    /// Returns the meaning of `track_quota`; an unknown number counts everybody.
    pub const fn from_number(number: i32) -> Self {
        match number {
            0 => Self::Off,
            2 => Self::Limited,
            _ => Self::All,
        }
    }
}

/// Whether counters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// They are.
    Allowed,
    /// The store is read only (`manage_users` 0).
    Forbidden,
}

/// Usage and reservations of all users.
#[derive(Debug)]
pub struct Quota {
    provider: Arc<dyn DataProvider>,
    sessions: Arc<Sessions>,
    tracking: Tracking,
    writes: Writes,
    ledger: Mutex<Ledger>,
    stored: Stored,
    /// Written while changes move from the ledger to the store, so that no reader sees them twice
    /// or not at all.
    moving: RwLock<()>,
    changed: Notify,
}

impl Quota {
    /// Returns the usage over a store. [`Self::write_behind`] must run as well.
    pub fn new(
        provider: Arc<dyn DataProvider>,
        sessions: Arc<Sessions>,
        tracking: Tracking,
        writes: Writes,
    ) -> Self {
        Self {
            provider,
            sessions,
            tracking,
            writes,
            ledger: Mutex::default(),
            stored: Stored::default(),
            moving: RwLock::default(),
            changed: Notify::new(),
        }
    }

    /// Writes changes until the task is aborted; the last ones need [`Self::flush`].
    pub async fn write_behind(self: Arc<Self>) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(FLUSH_DELAY).await;
            while let Err(fault) = self.flush().await {
                tracing::warn!(sender = "quota", error = %fault, "usage cannot be written, trying again");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Writes all changes that wait.
    ///
    /// # Errors
    /// `Unavailable`; then they go on waiting.
    pub async fn flush(&self) -> Result<(), Fault> {
        if self.ledger.lock().is_written() {
            return Ok(());
        }
        // Another program may have the store for long; readers must not wait for it.
        let turn = self.provider.quota_turn().await?;
        let _moving = self.moving.write().await;
        let changes = self.ledger.lock().take_pending();
        changes.keys().for_each(|user| self.stored.forget(user));
        let written = self.write(turn, &changes).await;
        if written.is_err() {
            self.ledger.lock().put_back(changes);
        }
        written
    }

    async fn write(
        &self,
        turn: Box<dyn QuotaTurn + '_>,
        changes: &HashMap<Username, Delta>,
    ) -> Result<(), Fault> {
        let mut rows = Vec::with_capacity(changes.len());
        let mut debts = Vec::new();
        for (user, change) in changes {
            let (now, later) = self.payable(user, *change).await?;
            debts.push((user.clone(), later));
            rows.push((user.clone(), QuotaChange::Add { size: now.size, files: now.files }));
        }
        if !rows.is_empty() {
            turn.change(&rows, crate::clock::now_ms()).await?;
        }
        self.ledger.lock().owe(debts);
        Ok(())
    }

    /// Splits a change into what the counters can bear and what has to wait: two changes of one
    /// user may arrive in the wrong order, and counters never go below zero.
    async fn payable(&self, user: &Username, change: Delta) -> Result<(Delta, Delta), Fault> {
        if change.size >= 0 && change.files >= 0 {
            return Ok((change, Delta::default()));
        }
        match self.provider.quota(user).await {
            Ok(stored) => Ok(change.split_at(stored)),
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok((change, Delta::default())),
            Err(fault) => Err(fault),
        }
    }

    /// Returns what a user stores now.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn usage(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        let _still = self.moving.read().await;
        let stored = self.provider.quota(user).await?;
        Ok(self.ledger.lock().with_pending(user, stored))
    }

    /// Reads accounts and shows what they store now.
    ///
    /// # Errors
    /// Those of `read`.
    pub async fn shown(
        &self,
        read: impl Future<Output = Result<Vec<Account>, Fault>>,
    ) -> Result<Vec<Account>, Fault> {
        let _still = self.moving.read().await;
        let mut accounts = read.await?;
        let ledger = self.ledger.lock();
        for account in &mut accounts {
            let usage = ledger.with_pending(&account.username, account.quota_usage());
            if usage != account.quota_usage() {
                account.used_quota_size = usage.size;
                account.used_quota_files = usage.files;
                account.last_quota_update = crate::clock::now_ms();
            }
        }
        Ok(accounts)
    }

    /// Reserves room for a transfer; without a limit there is no need to ask the store.
    ///
    /// # Errors
    /// `QuotaExceeded` when nothing is left, `NotFound` for an unknown user.
    pub async fn reserve(&self, request: &GrantRequest) -> Result<Grant, Fault> {
        if self.tracking == Tracking::Off {
            return Ok(Grant { bytes: u64::MAX, files: request.files });
        }
        let limit = self.limit_of(&request.username, Some(&request.connection)).await?;
        if !limit.is_limited() {
            return Ok(Grant { bytes: u64::MAX, files: request.files });
        }
        let _still = self.moving.read().await;
        let stored = self.stored(&request.username).await?;
        self.ledger
            .lock()
            .reserve(request, limit, stored)
            .ok_or_else(|| Fault::new(FaultKind::QuotaExceeded, "denying write due to space limit"))
    }

    /// Returns what the store says now or said a moment ago; nothing may move meanwhile.
    async fn stored(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        if let Some(usage) = self.stored.get(user) {
            return Ok(usage);
        }
        let usage = self.provider.quota(user).await?;
        self.stored.keep(user, usage);
        Ok(usage)
    }

    /// Counts a change once and ends the grants of its transfer.
    ///
    /// # Errors
    /// `NotFound` for an unknown user, `Unavailable`.
    pub async fn change(&self, change: &UsageChange) -> Result<(), Fault> {
        let counts = self.is_counted(&change.username).await?;
        if self.ledger.lock().change(change, counts) {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Replaces the counters of a user with what a scan has found. A scan that was `overtaken` by a
    /// change may lack it and corrects the counters upwards only: uploads would pass the limit.
    ///
    /// # Errors
    /// `NotFound` for an unknown user, `Unavailable`.
    pub async fn replace(
        &self,
        user: &Username,
        found: QuotaUsage,
        overtaken: impl Fn() -> bool,
    ) -> Result<(), Fault> {
        if self.tracking == Tracking::Off || self.writes == Writes::Forbidden {
            return Ok(());
        }
        let turn = self.provider.quota_turn().await?;
        let _moving = self.moving.write().await;
        self.stored.forget(user);
        let stored = self.provider.quota(user).await?;
        let (usage, forgotten) = self.ledger.lock().give_way(user, stored, found, overtaken);
        let change = [(user.clone(), QuotaChange::Set(usage))];
        let written = turn.change(&change, crate::clock::now_ms()).await;
        if written.is_err() {
            self.ledger.lock().put_back(forgotten);
        }
        written
    }

    /// Ends the grants of a session.
    pub fn end_session(&self, connection: &ConnectionId) {
        self.ledger.lock().end_session(connection);
    }

    /// Ends the grants whose session is gone without a word.
    pub fn sweep(&self) {
        let mut ledger = self.ledger.lock();
        ledger.end_orphans(|connection| self.sessions.holds(connection));
        ledger.forget_debts();
        drop(ledger);
        self.stored.sweep();
    }

    /// Notes that a session of a user begins: the user may be a new one of an old name.
    pub fn start_session(&self, user: &Username) {
        self.stored.forget(user);
    }

    /// Tells whether changes of a user wait to be written.
    pub fn is_pending(&self, user: &Username) -> bool {
        self.ledger.lock().is_pending(user)
    }

    /// Tells whether counters are written.
    pub fn writes(&self) -> Writes {
        self.writes
    }

    /// Tells whether counters exist at all.
    pub fn tracking(&self) -> Tracking {
        self.tracking
    }

    async fn is_counted(&self, user: &Username) -> Result<bool, Fault> {
        if self.writes == Writes::Forbidden {
            return Ok(false);
        }
        match self.tracking {
            Tracking::Off => Ok(false),
            // The store skips users that it does not know, so only an unknown one is looked up.
            Tracking::All => self.limit_of(user, None).await.map(|_| true),
            Tracking::Limited => self.limit_of(user, None).await.map(QuotaLimit::is_limited),
        }
    }

    /// Returns the limits as they were at the login; without a login, as they are stored.
    async fn limit_of(
        &self,
        user: &Username,
        session: Option<&ConnectionId>,
    ) -> Result<QuotaLimit, Fault> {
        match self.sessions.limit_of(user, session) {
            Some(limit) => Ok(limit),
            None => Ok(self.provider.user(user).await?.quota_limit()),
        }
    }
}

#[cfg(test)]
mod tests;
