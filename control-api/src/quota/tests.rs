use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use ferryd_control_plane::{Certainty, NodeId, SessionStart, TransferId};
use ferryd_data_provider::UserPage;
use ferryd_domain::Account;
use ferryd_domain::policy::LoginMethod;

use super::*;

/// One user in memory that counts how often it is asked and can be switched off.
#[derive(Debug, Default)]
struct OneUser {
    account: Mutex<Account>,
    reads: AtomicUsize,
    writes: AtomicUsize,
    down: AtomicBool,
}

impl OneUser {
    fn check_up(&self) -> Result<(), Fault> {
        match self.down.load(Ordering::SeqCst) {
            true => Err(Fault::unavailable("switched off")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl DataProvider for OneUser {
    fn name(&self) -> &'static str {
        "one user"
    }
    async fn check(&self) -> Result<(), Fault> {
        self.check_up()
    }
    async fn user(&self, username: &Username) -> Result<Account, Fault> {
        self.check_up()?;
        self.reads.fetch_add(1, Ordering::SeqCst);
        let account = self.account.lock().clone();
        if account.username == *username { Ok(account) } else { Err(Fault::not_found("user")) }
    }
    async fn user_by_id(&self, _: i64) -> Result<Account, Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn users(&self, _: &UserPage) -> Result<Vec<Account>, Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn add_user(&self, _: &Account) -> Result<Account, Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn update_user(&self, _: &Account) -> Result<(), Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn delete_user(&self, _: i64) -> Result<(), Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn record_logins(&self, _: &[(Username, i64)]) -> Result<(), Fault> {
        Err(Fault::unsupported("not needed here"))
    }
    async fn quota(&self, username: &Username) -> Result<QuotaUsage, Fault> {
        let account = self.user(username).await?;
        tokio::task::yield_now().await;
        Ok(QuotaUsage { size: account.used_quota_size, files: account.used_quota_files })
    }
    async fn quota_turn(&self) -> Result<Box<dyn QuotaTurn + '_>, Fault> {
        Ok(Box::new(Turn(self)))
    }
    async fn reload(&self) -> Result<(), Fault> {
        Ok(())
    }
}

struct Turn<'a>(&'a OneUser);

#[async_trait]
impl QuotaTurn for Turn<'_> {
    async fn change(
        self: Box<Self>,
        changes: &[(Username, QuotaChange)],
        _: i64,
    ) -> Result<(), Fault> {
        self.0.check_up()?;
        tokio::task::yield_now().await;
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        let mut account = self.0.account.lock();
        for (username, change) in changes {
            assert_eq!(*username, account.username);
            let usage = match change {
                QuotaChange::Add { size, files } => {
                    let usage = QuotaUsage {
                        size: account.used_quota_size,
                        files: account.used_quota_files,
                    };
                    usage.changed_by(*size, *files)
                }
                QuotaChange::Set(usage) => *usage,
            };
            account.used_quota_size = usage.size;
            account.used_quota_files = usage.files;
        }
        Ok(())
    }
}

struct Fixture {
    store: Arc<OneUser>,
    sessions: Arc<Sessions>,
    quota: Arc<Quota>,
}

fn fixture(size: i64, files: i64, tracking: Tracking, writes: Writes) -> Fixture {
    let store = Arc::new(OneUser::default());
    let account = Account {
        username: Username::stored("bob"),
        quota_size: size,
        quota_files: files,
        ..Account::default()
    };
    *store.account.lock() = account.clone();
    let sessions = Arc::new(Sessions::default());
    let start = SessionStart {
        connection: ConnectionId("c1".into()),
        node: NodeId("n1".into()),
        username: Username::stored("bob"),
        method: LoginMethod::Password,
        client_address: "192.0.2.1:1".parse().unwrap(),
        client_version: String::new(),
    };
    sessions.open(&account, &start).unwrap();
    let provider: Arc<dyn DataProvider> = Arc::clone(&store) as _;
    let quota = Arc::new(Quota::new(provider, Arc::clone(&sessions), tracking, writes));
    Fixture { store, sessions, quota }
}

impl Fixture {
    async fn reserve(&self, transfer: &str, bytes: u64, files: u32) -> Option<u64> {
        let request = GrantRequest {
            transfer: TransferId(transfer.into()),
            connection: ConnectionId("c1".into()),
            username: Username::stored("bob"),
            bytes,
            files,
        };
        match self.quota.reserve(&request).await {
            Ok(grant) => Some(grant.bytes),
            Err(fault) => {
                assert_eq!(fault.kind(), FaultKind::QuotaExceeded);
                None
            }
        }
    }

    async fn change(&self, transfer: &str, size: i64, files: i64) {
        self.quota.change(&change(transfer, size, files)).await.unwrap();
    }

    async fn usage(&self) -> (i64, i64) {
        let usage = self.quota.usage(&Username::stored("bob")).await.unwrap();
        (usage.size, usage.files)
    }
}

fn change(transfer: &str, size: i64, files: i64) -> UsageChange {
    UsageChange {
        transfer: TransferId(transfer.into()),
        username: Username::stored("bob"),
        size,
        files,
        certainty: Certainty::Exact,
    }
}

fn limited(size: i64, files: i64) -> Fixture {
    fixture(size, files, Tracking::All, Writes::Allowed)
}

#[tokio::test]
async fn a_change_counts_once_and_is_seen_before_it_is_written() {
    let f = limited(0, 0);
    f.change("t1", 100, 1).await;
    f.change("t1", 100, 1).await;
    assert_eq!(f.usage().await, (100, 1));
    assert_eq!(f.store.writes.load(Ordering::SeqCst), 0);
    f.quota.flush().await.unwrap();
    assert_eq!(f.usage().await, (100, 1));
    assert_eq!(f.store.account.lock().used_quota_size, 100);
    f.change("t1", 100, 1).await;
    assert_eq!(f.usage().await, (100, 1), "also after it was written");
}

#[tokio::test(start_paused = true)]
async fn changes_are_written_together_soon_after() {
    let f = limited(0, 0);
    let writer = tokio::spawn(Arc::clone(&f.quota).write_behind());
    for n in 0..50 {
        f.change(&format!("t{n}"), 1, 1).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(f.store.account.lock().used_quota_files, 50);
    assert_eq!(f.store.writes.load(Ordering::SeqCst), 1);
    writer.abort();
}

#[tokio::test(start_paused = true)]
async fn changes_survive_a_store_that_is_away() {
    let f = limited(0, 0);
    let writer = tokio::spawn(Arc::clone(&f.quota).write_behind());
    f.store.down.store(true, Ordering::SeqCst);
    f.change("t1", 5, 1).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    f.change("t2", 5, 1).await;
    f.store.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(f.store.account.lock().used_quota_size, 10);
    writer.abort();
}

#[tokio::test]
async fn grants_and_usage_together_never_pass_the_limit() {
    let f = limited(100, 0);
    f.change("old", 30, 1).await;
    assert_eq!(f.reserve("t1", 50, 1).await, Some(50));
    assert_eq!(f.reserve("t2", 50, 1).await, Some(20), "only what is left");
    assert_eq!(f.reserve("t3", 1, 1).await, None);
    assert_eq!(f.reserve("t1", 1, 0).await, None, "more for a running transfer");
    f.change("t1", 10, 1).await;
    assert_eq!(f.usage().await, (40, 2));
    assert_eq!(f.reserve("t3", 100, 1).await, Some(40));
}

#[tokio::test]
async fn the_limit_on_files_holds_for_uploads_at_once() {
    let f = limited(0, 2);
    assert_eq!(f.reserve("t1", 10, 1).await, Some(u64::MAX));
    assert_eq!(f.reserve("t2", 10, 1).await, Some(u64::MAX));
    assert_eq!(f.reserve("t3", 10, 1).await, None);
    assert_eq!(f.reserve("t3", 10, 0).await, Some(u64::MAX), "overwriting makes no file");
    f.change("t2", 0, 0).await;
    assert_eq!(f.reserve("t4", 10, 1).await, Some(u64::MAX));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_uploads_at_once_stay_within_the_limit() {
    let f = Arc::new(limited(1000, 0));
    let mut uploads = Vec::new();
    for n in 0..200_i64 {
        let f = Arc::clone(&f);
        uploads.push(tokio::spawn(async move {
            let transfer = format!("t{n}");
            let granted = f.reserve(&transfer, 17, 1).await.unwrap_or(0);
            if n % 7 == 0 {
                f.quota.flush().await.unwrap();
            }
            f.change(&transfer, granted as i64, 1).await;
            granted
        }));
    }
    let mut total = 0;
    for upload in uploads {
        total += upload.await.unwrap();
    }
    assert_eq!(total, 1000);
    assert_eq!(f.usage().await.0, 1000);
}

#[tokio::test]
async fn grants_end_with_their_session() {
    let f = limited(100, 0);
    assert_eq!(f.reserve("t1", 100, 1).await, Some(100));
    assert_eq!(f.reserve("t2", 1, 1).await, None);
    f.sessions.close(&ConnectionId("c1".into()));
    f.quota.end_session(&ConnectionId("c1".into()));
    assert_eq!(f.reserve("t2", 100, 1).await, Some(100));
}

#[tokio::test(start_paused = true)]
async fn grants_of_a_node_that_died_lapse() {
    let f = limited(100, 0);
    assert_eq!(f.reserve("t1", 100, 1).await, Some(100));
    tokio::time::advance(LIFETIME_AND_A_BIT).await;
    f.quota.sweep();
    assert_eq!(f.reserve("t2", 100, 1).await, Some(100));
}

const LIFETIME_AND_A_BIT: Duration = Duration::from_secs(11);

#[tokio::test]
async fn an_unlimited_account_is_granted_without_asking_the_store() {
    let f = limited(0, 0);
    assert_eq!(f.reserve("t1", 5, 1).await, Some(u64::MAX));
    assert_eq!(f.store.reads.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn tracking_decides_who_is_counted_and_limited() {
    for (tracking, limit, counted, enforced) in [
        (Tracking::Off, 10, false, false),
        (Tracking::All, 10, true, true),
        (Tracking::All, 0, true, false),
        (Tracking::Limited, 10, true, true),
        (Tracking::Limited, 0, false, false),
    ] {
        let f = fixture(limit, 0, tracking, Writes::Allowed);
        f.change("t1", 10, 1).await;
        let expected = if counted { (10, 1) } else { (0, 0) };
        assert_eq!(f.usage().await, expected, "{tracking:?} {limit}");
        assert_eq!(f.reserve("t2", 1, 1).await.is_none(), enforced, "{tracking:?} {limit}");
    }
}

#[tokio::test]
async fn nothing_is_written_for_a_read_only_store() {
    let f = fixture(10, 0, Tracking::All, Writes::Forbidden);
    f.change("t1", 10, 1).await;
    f.quota
        .replace(&Username::stored("bob"), QuotaUsage { size: 3, files: 3 }, || false)
        .await
        .unwrap();
    f.quota.flush().await.unwrap();
    assert_eq!(f.usage().await, (0, 0));
    assert_eq!(f.store.writes.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_scan_replaces_the_counters_and_what_waits() {
    let f = limited(0, 0);
    f.change("t1", 10, 1).await;
    f.quota
        .replace(&Username::stored("bob"), QuotaUsage { size: 3, files: 2 }, || false)
        .await
        .unwrap();
    f.quota.flush().await.unwrap();
    assert_eq!(f.usage().await, (3, 2));
}

#[tokio::test]
async fn counters_never_fall_below_zero() {
    let f = limited(0, 0);
    f.change("t1", -10, -1).await;
    assert_eq!(f.usage().await, (0, 0));
    f.quota.flush().await.unwrap();
    assert_eq!(f.usage().await, (0, 0));
}

#[tokio::test]
async fn unknown_users_are_not_found() {
    let f = limited(0, 0);
    let stranger = UsageChange { username: Username::stored("eve"), ..change("t1", 1, 1) };
    assert_eq!(f.quota.change(&stranger).await.unwrap_err().kind(), FaultKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn uploads_one_after_the_other_ask_the_store_once() {
    let f = limited(0, 100);
    let reads = || f.store.reads.load(Ordering::SeqCst);
    for number in 0..20 {
        let transfer = format!("t{number}");
        assert_eq!(f.reserve(&transfer, 10, 1).await, Some(u64::MAX));
        f.change(&transfer, 10, 1).await;
    }
    assert_eq!(reads(), 1);
    f.store.account.lock().used_quota_files = 79;
    tokio::time::advance(FLUSH_DELAY).await;
    assert_eq!(f.reserve("last", 10, 1).await, Some(u64::MAX), "another control plane added some");
    assert_eq!(f.reserve("more", 10, 1).await, None);
    assert_eq!(reads(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_store_said_is_forgotten_when_it_changes() {
    let f = limited(0, 10);
    let bob = Username::stored("bob");
    let full = QuotaUsage { size: 0, files: 10 };
    assert_eq!(f.reserve("t1", 1, 1).await, Some(u64::MAX));
    f.change("t1", 1, 9).await;
    f.quota.flush().await.unwrap();
    assert_eq!(f.reserve("t2", 1, 1).await, Some(u64::MAX));
    f.change("t2", 1, 0).await;
    f.quota.replace(&bob, full, || false).await.unwrap();
    assert_eq!(f.reserve("t3", 1, 1).await, None);
    f.store.account.lock().used_quota_files = 0;
    f.quota.start_session(&bob);
    assert_eq!(f.reserve("t3", 1, 1).await, Some(u64::MAX), "another account of that name");
}

#[tokio::test]
async fn far_from_the_limit_a_transfer_gets_more_than_it_asks_for() {
    let f = limited(1 << 30, 0);
    assert_eq!(f.reserve("t1", 1, 1).await, Some(256 << 10));
    assert_eq!(f.reserve("t1", 1 << 20, 0).await, Some(1 << 20), "as much as is asked for");
    f.change("old", (1 << 30) - (3 << 20), 1).await;
    let left = (3 << 20) - (256 << 10) - (1 << 20);
    assert_eq!(f.reserve("t2", 1, 1).await, Some(left / 1024));
    f.change("t1", 1 << 20, 1).await;
    f.change("t2", (2 << 20) - 1000, 1).await;
    assert_eq!(f.reserve("t3", 1, 1).await, Some(1), "near the limit nothing is held back");
}

#[tokio::test]
async fn far_from_the_limit_a_transfer_gets_files_for_others() {
    let f = limited(0, 100_000);
    let bob = || GrantRequest {
        transfer: TransferId("t1".into()),
        connection: ConnectionId("c1".into()),
        username: Username::stored("bob"),
        bytes: 1,
        files: 1,
    };
    assert_eq!(f.quota.reserve(&bob()).await.unwrap(), Grant { bytes: u64::MAX, files: 64 });
    assert_eq!(f.quota.reserve(&GrantRequest { files: 0, ..bob() }).await.unwrap().files, 0);
    f.change("old", 0, 100_000 - 1024 - 64).await;
    assert_eq!(f.quota.reserve(&bob()).await.unwrap().files, 1, "near the limit none is held back");
}
