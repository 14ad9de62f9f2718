//! A control plane for unit tests of a node: accounts in memory, every call kept for a look.
//! It keeps the rules that the real ones keep (the contract suite runs over it).

mod dialog;
mod grants;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ferryd_domain::account::public_key::PublicKeyLine;
use ferryd_domain::policy::login::{check_account, check_home, check_way, refused};
use ferryd_domain::{Account, Fault, FaultKind, FileEvent, QuotaUsage, Secret, Username};
use futures::StreamExt;
use futures::channel::mpsc;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    Admission, ConnectionId, ControlPlane, Credential, DialogStart, Grant, GrantRequest,
    LoginAttempt, LoginDialog, LoginOutcome, NodeCommand, NodeCommands, NodeId, NodeInfo,
    NodeReport, ScanId, ScanOutcome, SessionLease, SessionStart, TransferId, UsageChange,
};
use dialog::FakeDialog;
use grants::Grants;

/// Whether the control plane can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// It can.
    #[default]
    Up,
    /// Every call ends with `Unavailable`.
    Down,
}

/// Accounts in memory and what a node did with them.
#[derive(Debug, Default)]
pub struct FakeControlPlane {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    link: Link,
    /// Whether events are taken.
    actions: Link,
    accounts: HashMap<Username, Account>,
    usage: HashMap<Username, QuotaUsage>,
    sessions: HashMap<ConnectionId, Username>,
    grants: Grants,
    settled: HashSet<TransferId>,
    nodes: HashMap<NodeId, mpsc::Sender<NodeCommand>>,
    scans: HashMap<ScanId, Username>,
    changes: Vec<UsageChange>,
    events: Vec<FileEvent>,
    starts: Vec<SessionStart>,
    reports: Vec<NodeReport>,
}

impl FakeControlPlane {
    /// Returns one without accounts.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds or replaces an account. Its `password` is clear text here.
    pub fn put_account(&self, account: Account) {
        let username = account.username.clone();
        let mut state = self.state.lock();
        state.usage.entry(username.clone()).or_insert_with(|| account.quota_usage());
        state.accounts.insert(username, account);
    }

    /// Sets what an account stores.
    pub fn set_usage(&self, username: &Username, usage: QuotaUsage) {
        self.state.lock().usage.insert(username.clone(), usage);
    }

    /// Cuts or restores the connection.
    pub fn set_link(&self, link: Link) {
        self.state.lock().link = link;
    }

    /// Lets the actions take no event, as when too many wait, or take them again.
    pub fn set_actions(&self, link: Link) {
        self.state.lock().actions = link;
    }

    /// Sends a command to every attached node.
    pub fn command(&self, command: &NodeCommand) {
        for sender in self.state.lock().nodes.values_mut() {
            let _ = sender.try_send(command.clone());
        }
    }

    /// Asks every attached node for a scan of an account.
    pub fn start_scan(&self, username: &Username) {
        let mut state = self.state.lock();
        let scan = ScanId(format!("scan-{}", state.scans.len()));
        let account = state.accounts.get(username).map(|account| outcome(account).account);
        let account = Box::new(account.unwrap_or_default());
        state.scans.insert(scan.clone(), username.clone());
        drop(state);
        self.command(&NodeCommand::ScanQuota { scan, account });
    }

    /// Returns the usage changes that counted, in order.
    pub fn changes(&self) -> Vec<UsageChange> {
        self.state.lock().changes.clone()
    }

    /// Returns the events, in order.
    pub fn events(&self) -> Vec<FileEvent> {
        self.state.lock().events.clone()
    }

    /// Returns the sessions that were opened, in order.
    pub fn starts(&self) -> Vec<SessionStart> {
        self.state.lock().starts.clone()
    }

    /// Returns the reports, in order.
    pub fn reports(&self) -> Vec<NodeReport> {
        self.state.lock().reports.clone()
    }

    /// Returns the connections that hold a place.
    pub fn open_sessions(&self) -> Vec<ConnectionId> {
        self.state.lock().sessions.keys().cloned().collect()
    }

    /// Returns the bytes that running transfers have reserved of an account.
    pub fn reserved_bytes(&self, username: &Username) -> i64 {
        self.state.lock().grants.of(username).size
    }

    fn reachable(&self) -> Result<MutexGuard<'_, State>, Fault> {
        let state = self.state.lock();
        match state.link {
            Link::Up => Ok(state),
            Link::Down => Err(Fault::unavailable("the fake control plane is switched off")),
        }
    }
}

impl State {
    fn account(&self, username: &Username) -> Result<&Account, Fault> {
        self.accounts.get(username).ok_or_else(|| Fault::not_found("no such account"))
    }

    fn usage(&self, username: &Username) -> Result<QuotaUsage, Fault> {
        self.account(username)?;
        Ok(self.usage.get(username).copied().unwrap_or_default())
    }

    fn has_room(&self, account: &Account, connection: &ConnectionId) -> bool {
        let taken = self
            .sessions
            .iter()
            .filter(|(other, user)| **user == account.username && *other != connection)
            .count();
        account.max_sessions <= 0 || taken < usize::try_from(account.max_sessions).unwrap_or(0)
    }
}

/// Returns what a node gets to see of an account.
fn outcome(account: &Account) -> LoginOutcome {
    LoginOutcome { account: Account { password: Secret::default(), ..account.clone() }, version: 1 }
}

fn check_credential(account: &Account, credential: &Credential) -> Result<(), Fault> {
    let matches = match credential {
        Credential::Password(password) => {
            !password.expose().is_empty() && *password == account.password
        }
        Credential::PublicKey(line) => PublicKeyLine::parse(line).is_ok_and(|offered| {
            let parsed = account.public_keys.iter().map(|key| PublicKeyLine::parse(key));
            parsed.flatten().any(|key| key.blob == offered.blob)
        }),
    };
    if matches { Ok(()) } else { Err(refused("the credential is wrong")) }
}

#[async_trait]
impl ControlPlane for FakeControlPlane {
    async fn authenticate(&self, attempt: LoginAttempt) -> Result<LoginOutcome, Fault> {
        let state = self.reachable()?;
        let account =
            state.account(&attempt.username).map_err(|fault| refused(fault.to_string()))?;
        check_account(account, 0)?;
        check_credential(account, &attempt.credential)?;
        check_home(account)?;
        Ok(outcome(account))
    }

    /// Asks for the password.
    async fn start_dialog(&self, start: DialogStart) -> Result<Box<dyn LoginDialog>, Fault> {
        let state = self.reachable()?;
        let account = state.account(&start.username).map_err(|fault| refused(fault.to_string()))?;
        Ok(Box::new(FakeDialog::new(account.clone())))
    }

    async fn open_session(&self, start: SessionStart) -> Result<SessionLease, Fault> {
        let mut state = self.reachable()?;
        let account = state.account(&start.username).map_err(|fault| refused(fault.to_string()))?;
        if !state.has_room(account, &start.connection) {
            return Err(Fault::new(FaultKind::TooManySessions, "too many sessions"));
        }
        check_way(account, start.method, start.client_address.ip())?;
        let connection = start.connection.clone();
        let at = i64::try_from(state.starts.len()).unwrap_or(i64::MAX);
        let admission = Admission { at, max_sessions: account.max_sessions };
        state.sessions.insert(connection.clone(), start.username.clone());
        state.starts.push(start);
        Ok(SessionLease { connection, admission, lifetime: Duration::from_secs(10) })
    }

    async fn close_session(&self, session: ConnectionId) -> Result<(), Fault> {
        let mut state = self.reachable()?;
        state.sessions.remove(&session);
        state.grants.end_session(&session);
        Ok(())
    }

    async fn attach_node(&self, node: NodeInfo) -> Result<NodeCommands, Fault> {
        let mut state = self.reachable()?;
        let (sender, receiver) = mpsc::channel(64);
        for session in node.sessions {
            state.sessions.insert(session.connection, session.username);
        }
        state.nodes.insert(node.node, sender);
        Ok(receiver.boxed())
    }

    async fn report(&self, report: NodeReport) -> Result<(), Fault> {
        self.reachable()?.reports.push(report);
        Ok(())
    }

    async fn finish_scan(&self, outcome: ScanOutcome) -> Result<(), Fault> {
        let mut state = self.reachable()?;
        let username =
            state.scans.remove(&outcome.scan).ok_or_else(|| Fault::not_found("unknown scan"))?;
        if let Some(usage) = outcome.usage {
            state.usage.insert(username, usage);
        }
        Ok(())
    }

    async fn quota_usage(&self, user: &Username) -> Result<QuotaUsage, Fault> {
        self.reachable()?.usage(user)
    }

    async fn reserve(&self, request: GrantRequest) -> Result<Grant, Fault> {
        let mut state = self.reachable()?;
        let limit = state.account(&request.username)?.quota_limit();
        let usage = state.usage(&request.username)?;
        if !limit.is_limited() {
            return Ok(Grant { bytes: u64::MAX, files: request.files });
        }
        state
            .grants
            .reserve(&request, limit, usage)
            .ok_or_else(|| Fault::new(FaultKind::QuotaExceeded, "quota exceeded"))
    }

    async fn change_usage(&self, change: UsageChange) -> Result<(), Fault> {
        let mut state = self.reachable()?;
        let usage = state.usage(&change.username)?;
        state.grants.end(&change.transfer);
        if state.settled.insert(change.transfer.clone()) {
            let changed = usage.changed_by(change.size, change.files);
            state.usage.insert(change.username.clone(), changed);
            state.changes.push(change);
        }
        Ok(())
    }

    async fn dispatch(&self, event: FileEvent) -> Result<(), Fault> {
        let mut state = self.reachable()?;
        if state.actions == Link::Down {
            return Err(Fault::unavailable("too many events wait"));
        }
        state.events.push(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Fixture;

    #[derive(Debug)]
    struct Fake(Arc<FakeControlPlane>);

    #[async_trait]
    impl Fixture for Fake {
        fn control_plane(&self) -> Arc<dyn ControlPlane> {
            Arc::clone(&self.0) as _
        }

        async fn add_account(&self, account: Account, password: &str) {
            let password = Secret::new(password.to_owned());
            self.0.put_account(Account { password, ..account });
        }

        async fn close_connection(&self, connection: &ConnectionId) {
            self.0.command(&NodeCommand::CloseConnection(connection.clone()));
        }

        async fn start_scan(&self, username: &Username) {
            self.0.start_scan(username);
        }
    }

    async fn fixture() -> Arc<Fake> {
        Arc::new(Fake(FakeControlPlane::new()))
    }

    crate::control_plane_contract!(fixture().await);

    #[tokio::test]
    async fn every_call_fails_while_the_link_is_down() {
        let fake = FakeControlPlane::new();
        fake.set_link(Link::Down);
        let fault = fake.quota_usage(&Username::stored("bob")).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::Unavailable);
    }
}
