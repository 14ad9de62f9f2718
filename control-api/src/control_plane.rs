//! `LocalControlPlane`: the control plane in this process. Delegates to the modules that know;
//! owns the tasks that free what is lost and write what waits.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_control_plane::{
    ConnectionId, ControlPlane, DialogStart, Grant, GrantRequest, LoginAttempt, LoginDialog,
    LoginOutcome, NodeCommands, NodeInfo, NodeReport, ScanOutcome, SessionLease, SessionStart,
    UsageChange,
};
use ferryd_data_provider::{DataProvider, DataProviderConfig};
use ferryd_domain::policy::login::{check_account, refused};
use ferryd_domain::{Account, Fault, FaultKind, FileEvent, QuotaUsage, Username};
use ferryd_runtime::ticks;
use tokio::task::JoinHandle;

use crate::accounts::Accounts;
use crate::actions::Actions;
use crate::auth::Auth;
use crate::grace_period::{GracePeriod, Waited};
use crate::logins::{FreshAccounts, LastLogins};
use crate::nodes::Nodes;
use crate::quota::{Quota, Tracking, Writes};
use crate::quota_scans::QuotaScans;
use crate::reclaim::Reclaim;
use crate::recovery::Recovery;
use crate::sessions::Sessions;
use crate::upload_sweeps::UploadSweeps;

/// How often what has lapsed is freed.
const SWEEP: Duration = Duration::from_secs(1);

/// The control plane over a data provider.
#[derive(Debug)]
pub struct LocalControlPlane {
    accounts: Arc<Accounts>,
    fresh: Arc<FreshAccounts>,
    last_logins: Arc<LastLogins>,
    actions: Arc<Actions>,
    auth: Arc<Auth>,
    sessions: Arc<Sessions>,
    nodes: Arc<Nodes>,
    grace_period: Arc<GracePeriod>,
    quota: Arc<Quota>,
    scans: Arc<QuotaScans>,
    recovery: Arc<Recovery>,
    upload_sweeps: UploadSweeps,
    writes: Writes,
    tasks: Vec<JoinHandle<()>>,
}

impl LocalControlPlane {
    /// Starts the control plane; must be called within a runtime.
    ///
    /// # Errors
    /// `InvalidInput` for login programs that cannot be used.
    pub fn start(
        provider: Arc<dyn DataProvider>,
        accounts: Arc<Accounts>,
        actions: Arc<Actions>,
        config: &DataProviderConfig,
        dialog_program: &str,
    ) -> Result<Self, Fault> {
        let auth = Arc::new(Auth::build(Arc::clone(&accounts), config, dialog_program)?);
        let writes = match config.manage_users {
            0 => Writes::Forbidden,
            _ => Writes::Allowed,
        };
        let sessions = Arc::new(Sessions::default());
        let nodes = Arc::new(Nodes::new(Arc::clone(&sessions)));
        let quota = Arc::new(Quota::new(
            Arc::clone(&provider),
            Arc::clone(&sessions),
            Tracking::from_number(config.track_quota),
            writes,
        ));
        let scans = Arc::new(QuotaScans::new(
            Arc::clone(&nodes),
            Arc::clone(&quota),
            Arc::clone(&accounts),
        ));
        let upload_sweeps = UploadSweeps::new(Arc::clone(&nodes), Arc::clone(&accounts));
        let recovery = Arc::new(Recovery::new(
            Arc::clone(&sessions),
            Arc::clone(&nodes),
            Arc::clone(&quota),
            Arc::clone(&scans),
            Arc::clone(&accounts),
        ));
        let returned =
            Reclaim::new(Arc::clone(&sessions), Arc::clone(&nodes), Arc::clone(&accounts));
        let fresh = Arc::new(FreshAccounts::default());
        let grace_period = Arc::new(GracePeriod::default());
        let last_logins = Arc::new(LastLogins::new(provider));
        let tasks = vec![
            tokio::spawn(Arc::clone(&quota).write_behind()),
            tokio::spawn(Arc::clone(&recovery).run()),
            tokio::spawn(returned.run()),
            tokio::spawn(Arc::clone(&last_logins).write_behind()),
            tokio::spawn(sweep(
                Arc::clone(&sessions),
                Arc::clone(&nodes),
                Arc::clone(&grace_period),
                Arc::clone(&quota),
                Arc::clone(&fresh),
            )),
        ];
        Ok(Self {
            accounts,
            fresh,
            last_logins,
            actions,
            auth,
            sessions,
            nodes,
            grace_period,
            quota,
            scans,
            recovery,
            upload_sweeps,
            writes,
            tasks,
        })
    }

    /// Returns the attached nodes.
    pub fn nodes(&self) -> Arc<Nodes> {
        Arc::clone(&self.nodes)
    }

    /// Returns the used quota.
    pub fn quota(&self) -> Arc<Quota> {
        Arc::clone(&self.quota)
    }

    /// Returns the times of logins that are not written yet.
    pub fn last_logins(&self) -> Arc<LastLogins> {
        Arc::clone(&self.last_logins)
    }

    /// Returns what sets counters right after a crash.
    pub fn recovery(&self) -> Arc<Recovery> {
        Arc::clone(&self.recovery)
    }

    /// Returns the quota scans.
    pub fn quota_scans(&self) -> Arc<QuotaScans> {
        Arc::clone(&self.scans)
    }

    /// Writes what waits and gives the actions this long to end. Called last.
    ///
    /// # Errors
    /// `Unavailable` when the usage could not be written.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), Fault> {
        self.grace_period.shutdown(&self.sessions, &self.nodes).await;
        let (flushed, logins, ()) = tokio::join!(
            self.quota.flush(),
            self.last_logins.flush(),
            self.actions.shutdown(limit)
        );
        // No start or end fails for the time of a login.
        if let Err(fault) = logins {
            tracing::warn!(sender = "control_plane", error = %fault, "last logins are not written");
        }
        flushed
    }

    /// Notes in a file which nodes have sessions, and lets the first logins of accounts with a
    /// limit of sessions wait for those that the file names now. For nodes in other processes.
    pub async fn remember_nodes_in(&self, file: PathBuf) {
        self.grace_period.remember_in(file).await;
    }

    /// Returns the account of a session that is to start, once it is known how many sessions it
    /// has: as it was looked at a moment ago, or as it is now.
    async fn account_for(&self, start: &SessionStart) -> Result<Account, Fault> {
        let account = self.fresh_account(start).await?;
        if account.max_sessions <= 0 || self.grace_period.wait().await? == Waited::No {
            return Ok(account);
        }
        self.fresh_account(start).await
    }

    async fn fresh_account(&self, start: &SessionStart) -> Result<Account, Fault> {
        if let Some(account) = self.fresh.take(&start.connection, &start.username) {
            return Ok(account);
        }
        self.accounts.find(&start.username).await.map_err(|fault| match fault.kind() {
            FaultKind::NotFound => refused("the account is gone"),
            _ => fault,
        })
    }
}

impl Drop for LocalControlPlane {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn sweep(
    sessions: Arc<Sessions>,
    nodes: Arc<Nodes>,
    grace_period: Arc<GracePeriod>,
    quota: Arc<Quota>,
    fresh: Arc<FreshAccounts>,
) {
    let mut ticks = ticks(SWEEP);
    loop {
        ticks.tick().await;
        sessions.sweep();
        nodes.sweep();
        grace_period.sweep(&sessions, &nodes);
        quota.sweep();
        fresh.sweep();
    }
}

#[async_trait]
impl ControlPlane for LocalControlPlane {
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault> {
        let outcome = self.auth.authenticate(&attempt).await?;
        self.fresh.keep(&attempt.connection, &outcome.account);
        Ok(outcome)
    }

    /// Passwords are hashed on threads of their own.
    fn authenticates_lightly(&self) -> bool {
        !self.auth.runs_programs()
    }

    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault> {
        Arc::clone(&self.auth).start_dialog(&start).await
    }

    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault> {
        let account = self.account_for(&start).await?;
        let now = crate::clock::now_ms();
        check_account(&account, now)?;
        let lease = self.sessions.open(&account, &start)?;
        self.grace_period.list(&start.node).await;
        self.recovery.session_opened(&account);
        self.quota.start_session(&account.username);
        if self.writes == Writes::Allowed {
            self.last_logins.note(&start.username, now);
        }
        Ok(lease)
    }

    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault> {
        self.sessions.close(&session);
        self.quota.end_session(&session);
        Ok(())
    }

    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault> {
        let id = node.node.clone();
        let commands = self.nodes.attach(node);
        self.grace_period.list(&id).await;
        self.grace_period.has_told(&id);
        self.upload_sweeps.start(id);
        Ok(commands)
    }

    async fn report(&self, report: NodeReport) -> Result<(), Fault> {
        let id = report.node.clone();
        self.nodes.report(report);
        self.grace_period.list(&id).await;
        self.grace_period.has_told(&id);
        Ok(())
    }

    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        self.recovery.finish_scan(outcome).await
    }

    async fn quota_usage(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        self.quota.usage(user).await
    }

    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault> {
        self.scans.disturb(&request.username);
        self.recovery.ready(&request.username).await;
        self.quota.reserve(&request).await
    }

    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault> {
        self.recovery.changed(&change).await;
        self.quota.change(&change).await
    }

    fn counts_lightly(&self) -> bool {
        true
    }

    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault> {
        self.actions.file_changed(event)
    }
}

#[cfg(test)]
mod tests;
