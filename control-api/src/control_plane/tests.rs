#![expect(clippy::disallowed_methods, reason = "tests write their own scripts")]

use std::os::unix::fs::PermissionsExt;

use ferryd_control_plane::contract::Fixture;
use ferryd_control_plane::{
    Admission, Certainty, Credential, NodeCommand, NodeId, SessionStatus, TransferId,
};
use ferryd_data_provider::{ActionsConfig, open};
use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{Account, Secret};
use futures::StreamExt;
use tempfile::TempDir;

use super::*;

/// Asks for the password and leaves the check to the server.
const DIALOG: &str = r#"#!/bin/sh
echo '{"questions":["Password: "],"echos":[false],"check_password":1}'
read ANSWER
[ "$ANSWER" = OK ] && echo '{"auth_result":1}'
"#;

#[derive(Debug)]
struct Local {
    plane: Arc<LocalControlPlane>,
    provider: Arc<dyn DataProvider>,
    _folder: TempDir,
}

impl Local {
    async fn with(config: DataProviderConfig) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let dialog = folder.path().join("dialog");
        std::fs::write(&dialog, DIALOG).unwrap();
        std::fs::set_permissions(&dialog, std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = DataProviderConfig { driver: "memory".into(), name: String::new(), ..config };
        let provider = open(&config, folder.path()).await.unwrap();
        let files = ActionsConfig::default();
        let actions = Arc::new(Actions::start(&files, &config.actions));
        let accounts = Arc::new(Accounts::new(
            Arc::clone(&provider),
            &config,
            folder.path(),
            Arc::clone(&actions) as _,
        ));
        let plane = LocalControlPlane::start(
            Arc::clone(&provider),
            accounts,
            actions,
            &config,
            dialog.to_str().unwrap(),
        )
        .unwrap();
        Arc::new(Self { plane: Arc::new(plane), provider, _folder: folder })
    }

    async fn new() -> Arc<Self> {
        Self::with(DataProviderConfig { track_quota: 1, ..Default::default() }).await
    }
}

#[async_trait]
impl Fixture for Local {
    fn control_plane(&self) -> Arc<dyn ControlPlane> {
        Arc::clone(&self.plane) as _
    }

    async fn add_account(&self, account: Account, password: &str) {
        let password = crate::passwords::hash(Secret::new(password.to_owned())).await.unwrap();
        self.provider.add_user(&Account { password, ..account }).await.unwrap();
    }

    async fn close_connection(&self, connection: &ConnectionId) {
        self.plane.nodes().close(connection).await.unwrap();
    }

    async fn start_scan(&self, username: &Username) {
        let account = self.provider.user(username).await.unwrap();
        self.plane.quota_scans().start(account).await.unwrap();
    }
}

mod contract {
    use super::Local;

    ferryd_control_plane::control_plane_contract!(Local::new().await);
}

fn bob() -> Account {
    Account {
        username: Username::stored("bob"),
        status: 1,
        home_dir: "/srv/bob".into(),
        permissions: [("/".to_owned(), vec!["*".to_owned()])].into(),
        ..Account::default()
    }
}

fn start(connection: &str) -> SessionStart {
    SessionStart {
        connection: ConnectionId(connection.into()),
        node: NodeId("n1".into()),
        username: Username::stored("bob"),
        method: LoginMethod::Password,
        client_address: "192.0.2.1:1".parse().unwrap(),
        client_version: String::new(),
    }
}

fn change(transfer: &str) -> UsageChange {
    UsageChange {
        transfer: TransferId(transfer.into()),
        username: Username::stored("bob"),
        size: 5,
        files: 1,
        certainty: Certainty::Exact,
    }
}

fn info(node: &str) -> NodeInfo {
    NodeInfo { node: NodeId(node.into()), version: String::new(), sessions: Vec::new() }
}

#[tokio::test]
async fn a_login_is_recorded_unless_the_store_is_read_only() {
    for (manage_users, recorded) in [(1, true), (0, false)] {
        let local = Local::with(DataProviderConfig { manage_users, ..Default::default() }).await;
        local.provider.add_user(&bob()).await.unwrap();
        local.plane.open_session(start("c1")).await.unwrap();
        local.plane.last_logins().flush().await.unwrap();
        let stored = local.provider.user(&Username::stored("bob")).await.unwrap();
        assert_eq!(stored.last_login > 0, recorded);
    }
}

#[tokio::test]
async fn an_account_that_was_disabled_after_its_login_opens_no_session() {
    let local = Local::new().await;
    local.provider.add_user(&Account { status: 0, ..bob() }).await.unwrap();
    let fault = local.plane.open_session(start("c1")).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unauthenticated);
}

#[tokio::test]
async fn a_shutdown_writes_the_usage() {
    let local = Local::new().await;
    local.provider.add_user(&bob()).await.unwrap();
    local.plane.change_usage(change("t1")).await.unwrap();
    local.plane.shutdown(Duration::from_secs(1)).await.unwrap();
    let usage = local.provider.quota(&Username::stored("bob")).await.unwrap();
    assert_eq!((usage.size, usage.files), (5, 1));
}

#[tokio::test]
async fn one_scan_of_a_user_runs_at_a_time_and_ends_with_its_node() {
    let local = Local::new().await;
    let scans = local.plane.quota_scans();
    let none = scans.start(bob()).await.unwrap_err();
    assert_eq!(none.kind(), FaultKind::Unavailable, "there is no node");
    let node = local.plane.attach_node(info("n1")).await.unwrap();
    scans.start(bob()).await.unwrap();
    assert_eq!(scans.start(bob()).await.unwrap_err().kind(), FaultKind::Conflict);
    let running = scans.running();
    assert!(running.len() == 1 && running[0].0 == Username::stored("bob") && running[0].1 > 0);
    drop(node);
    assert!(scans.running().is_empty());
    let _other = local.plane.attach_node(info("n2")).await.unwrap();
    scans.start(bob()).await.unwrap();
}

#[tokio::test]
async fn without_tracking_a_scan_is_accepted_and_does_nothing() {
    let local = Local::with(DataProviderConfig { track_quota: 0, ..Default::default() }).await;
    let mut node = local.plane.attach_node(info("n1")).await.unwrap();
    local.plane.quota_scans().start(bob()).await.unwrap();
    assert!(local.plane.quota_scans().running().is_empty());
    let command = futures::FutureExt::now_or_never(node.next()).flatten();
    assert!(!matches!(command, Some(NodeCommand::ScanQuota { .. })));
}

#[tokio::test]
async fn a_failed_scan_changes_nothing_and_ends() {
    let local = Local::new().await;
    local.provider.add_user(&bob()).await.unwrap();
    let node = local.plane.attach_node(info("n1")).await.unwrap();
    let mut node = node
        .filter(|command| std::future::ready(!matches!(command, NodeCommand::SweepUploads { .. })));
    local.plane.change_usage(change("t1")).await.unwrap();
    local.plane.quota_scans().start(bob()).await.unwrap();
    let Some(NodeCommand::ScanQuota { scan, .. }) = node.next().await else { panic!() };
    let outcome = ScanOutcome { scan, username: Username::stored("bob"), usage: None };
    local.plane.finish_scan(outcome).await.unwrap();
    assert!(local.plane.quota_scans().running().is_empty());
    let usage = local.plane.quota_usage(&Username::stored("bob")).await.unwrap();
    assert_eq!(usage.size, 5);
}

#[tokio::test]
async fn a_scan_that_was_overtaken_takes_nothing_off() {
    let local = Local::new().await;
    let name = Username::stored("bob");
    local.provider.add_user(&bob()).await.unwrap();
    let node = local.plane.attach_node(info("n1")).await.unwrap();
    let mut node =
        node.filter(|command| std::future::ready(matches!(command, NodeCommand::ScanQuota { .. })));
    for (overtaken, found, expected) in
        [(true, (0, 0), (5, 1)), (true, (7, 1), (10, 2)), (false, (0, 0), (0, 0))]
    {
        local.plane.quota_scans().start(bob()).await.unwrap();
        let Some(NodeCommand::ScanQuota { scan, .. }) = node.next().await else { panic!() };
        if overtaken {
            local.plane.change_usage(change(&scan.0)).await.unwrap();
        }
        let usage = Some(QuotaUsage { size: found.0, files: found.1 });
        let outcome = ScanOutcome { scan, username: name.clone(), usage };
        local.plane.finish_scan(outcome).await.unwrap();
        let usage = local.plane.quota_usage(&name).await.unwrap();
        assert_eq!((usage.size, usage.files), expected, "{overtaken}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_as_many_of_many_logins_win_as_may() {
    let local = Local::new().await;
    local.provider.add_user(&Account { max_sessions: 2, ..bob() }).await.unwrap();
    for round in 0..5 {
        let tries: Vec<_> = (0..50)
            .map(|n| {
                let plane = Arc::clone(&local.plane);
                tokio::spawn(async move {
                    plane.open_session(start(&format!("{round}-{n}"))).await.ok()
                })
            })
            .collect();
        let mut won = Vec::new();
        for attempt in tries {
            won.extend(attempt.await.unwrap());
        }
        assert_eq!(won.len(), 2);
        for lease in won {
            local.plane.close_session(lease.connection).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_logins_do_not_wait_for_a_flood_of_passwords() {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";
    let local = Local::new().await;
    local.add_account(Account { public_keys: vec![KEY.into()], ..bob() }, "secret").await;
    let attempt = |credential| LoginAttempt {
        username: Username::stored("bob"),
        credential,
        client_address: "192.0.2.1:1".parse().unwrap(),
        connection: ConnectionId("c1".into()),
    };
    let flood: Vec<_> = (0..50)
        .map(|n| {
            let plane = Arc::clone(&local.plane);
            let guess = attempt(Credential::Password(Secret::new(format!("guess {n}"))));
            tokio::spawn(async move { plane.authenticate(guess).await.map(drop) })
        })
        .collect();
    local.plane.authenticate(attempt(Credential::PublicKey(KEY.into()))).await.unwrap();
    assert!(flood.iter().filter(|task| !task.is_finished()).count() > 40);
    flood.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn a_node_that_starts_is_told_where_uploads_may_have_been_left() {
    let local = Local::new().await;
    local.provider.add_user(&bob()).await.unwrap();
    let long_ago = Account { username: Username::stored("old"), last_login: 1, ..bob() };
    local.provider.add_user(&long_ago).await.unwrap();
    let node = local.plane.attach_node(info("n1")).await.unwrap();
    let told = node.take(1).collect::<Vec<_>>().await;
    let Some(NodeCommand::SweepUploads { account }) = told.first() else { panic!("{told:?}") };
    assert_eq!((&account.username, &account.home_dir), (&bob().username, &bob().home_dir));
}

#[tokio::test]
async fn an_orderly_end_leaves_only_nodes_with_sessions_in_the_file() {
    let local = Local::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes");
    let named = || std::fs::read_to_string(&file).unwrap();
    local.plane.remember_nodes_in(file.clone()).await;
    local.provider.add_user(&bob()).await.unwrap();
    let idle = local.plane.attach_node(info("idle")).await.unwrap();
    local.plane.open_session(start("c1")).await.unwrap();
    assert!(named().contains("idle") && named().contains("n1"), "{}", named());
    drop(idle);
    local.plane.shutdown(Duration::from_secs(1)).await.unwrap();
    assert_eq!(named(), r#"["n1"]"#);
}

#[tokio::test(start_paused = true)]
async fn a_login_with_a_limit_waits_for_the_nodes_of_the_last_run() {
    let local = Local::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nodes");
    std::fs::write(&file, r#"["n2"]"#).unwrap();
    local.plane.remember_nodes_in(file).await;
    local.provider.add_user(&Account { max_sessions: 1, ..bob() }).await.unwrap();
    let free = Account { username: Username::stored("eve"), ..bob() };
    local.provider.add_user(&free).await.unwrap();
    let begin = tokio::time::Instant::now();
    let eve = SessionStart { username: Username::stored("eve"), ..start("c1") };
    local.plane.open_session(eve).await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "no limit, no waiting");
    let login = tokio::spawn({
        let plane = Arc::clone(&local.plane);
        async move { plane.open_session(start("c2")).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!login.is_finished());
    let lease = SessionLease {
        connection: ConnectionId("c3".into()),
        admission: Admission { at: 1, max_sessions: 1 },
        lifetime: Duration::from_secs(10),
    };
    let taken = told(&lease);
    let back = NodeInfo { sessions: vec![taken], ..info("n2") };
    let _commands = local.plane.attach_node(back).await.unwrap();
    assert_eq!(login.await.unwrap().unwrap_err().kind(), FaultKind::TooManySessions);
}

fn told(lease: &SessionLease) -> SessionStatus {
    SessionStatus {
        connection: lease.connection.clone(),
        username: Username::stored("bob"),
        admission: lease.admission,
        client_version: String::new(),
        client_address: "192.0.2.1:1".parse().unwrap(),
        connected_at: 0,
        last_activity: 0,
        protocol: None,
        transfers: Vec::new(),
        ssh_command: String::new(),
    }
}

/// Two control planes in turn: the second one learns from the reports what the first one knew.
#[tokio::test]
async fn a_session_that_comes_back_after_others_got_in_is_closed_through_its_node() {
    let limited = Account { max_sessions: 2, ..bob() };
    let (before, after) = (Local::new().await, Local::new().await);
    before.provider.add_user(&limited).await.unwrap();
    after.provider.add_user(&limited).await.unwrap();
    let old = before.plane.open_session(start("old")).await.unwrap();
    let newer = before.plane.open_session(start("newer")).await.unwrap();
    let new = after.plane.open_session(start("new")).await.unwrap();
    let sessions = vec![told(&old), told(&newer)];
    let mut commands = after.plane.attach_node(NodeInfo { sessions, ..info("n1") }).await.unwrap();
    let closed = loop {
        if let NodeCommand::CloseConnection(connection) = commands.next().await.unwrap() {
            break connection;
        }
    };
    assert_eq!(closed.0, "newer");
    assert_eq!(
        after.plane.open_session(start("x")).await.unwrap_err().kind(),
        FaultKind::TooManySessions
    );
    after.plane.close_session(new.connection).await.unwrap();
    after.plane.open_session(start("x")).await.unwrap();
}

#[tokio::test]
async fn a_thousand_uploads_cost_a_few_flushes_to_the_disk() {
    let local = Local::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    let recovery = local.plane.recovery();
    recovery.remember_in(&file);
    local.provider.add_user(&Account { quota_files: 5000, ..bob() }).await.unwrap();
    local.plane.open_session(start("c1")).await.unwrap();
    for number in 0..1000 {
        let transfer = TransferId(number.to_string());
        let connection = ConnectionId("c1".into());
        let username = Username::stored("bob");
        let request = GrantRequest { transfer, connection, username, bytes: 5, files: 1 };
        local.plane.reserve(request).await.unwrap();
        local.plane.change_usage(change(&number.to_string())).await.unwrap();
    }
    assert!(std::fs::read_to_string(&file).unwrap().contains("bob"));
    assert_eq!(recovery.journal_writes(), 1);
    local.plane.close_session(ConnectionId("c1".into())).await.unwrap();
    local.plane.shutdown(Duration::from_secs(1)).await.unwrap();
    recovery.shutdown().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "+\"bob\"\n-\"bob\"\n");
}

#[tokio::test]
async fn no_change_is_acknowledged_before_its_account_is_noted() {
    let local = Local::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal");
    local.plane.recovery().remember_in(&file);
    for number in 0..20 {
        let username = Username::stored(format!("bob-{number}"));
        local.provider.add_user(&Account { username: username.clone(), ..bob() }).await.unwrap();
        let change = UsageChange { username, ..change(&number.to_string()) };
        local.plane.change_usage(change).await.unwrap();
        let noted = std::fs::read_to_string(&file).unwrap();
        assert!(noted.contains(&format!("+\"bob-{number}\"")), "{noted}");
    }
}
