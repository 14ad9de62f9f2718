#![allow(clippy::disallowed_methods, reason = "tests make their own files")]

use parking_lot::Mutex;

use ferryd_data_provider::{initialize, open};
use ferryd_domain::AccountEvent;
use tempfile::TempDir;

use super::*;

/// Remembers what it was told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<(AccountAction, Account)>>);

impl AccountListener for Told {
    fn account_changed(&self, event: AccountEvent) {
        self.0.lock().push((event.action, event.account));
    }
}

struct Bed {
    accounts: Accounts,
    told: Arc<Told>,
    dir: TempDir,
}

impl Bed {
    async fn new(config: DataProviderConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        initialize(&config, dir.path()).await.unwrap();
        let provider = open(&config, dir.path()).await.unwrap();
        let told = Arc::new(Told::default());
        let accounts = Accounts::new(provider, &config, dir.path(), told.clone());
        Self { accounts, told, dir }
    }

    fn told(&self) -> Vec<AccountAction> {
        self.told.0.lock().iter().map(|(action, _)| *action).collect()
    }
}

/// Hashing is slow on purpose; a hash of "x" spares it where it does not matter.
const HASH: &str = "$2y$04$abcdefghijklmnopqrstuuW1HQ7gwUGYRAN8Ss2HQL1nMD3uMDZTy";

fn body(name: &str) -> serde_json::Value {
    serde_json::json!({
        "username": name, "password": HASH, "home_dir": "/srv/a", "status": 1,
        "permissions": {"/": ["*"]}
    })
}

fn text(value: &serde_json::Value) -> Vec<u8> {
    serde_json::to_vec(value).unwrap()
}

async fn sqlite() -> Bed {
    Bed::new(DataProviderConfig::default()).await
}

#[tokio::test]
async fn an_account_is_stored_normalized_and_hashed() {
    let bed = sqlite().await;
    let mut sent = body("a");
    sent["id"] = 99.into();
    sent["used_quota_size"] = 99.into();
    sent["password"] = "clear text".into();
    sent["permissions"] = serde_json::json!({"/": ["list", "*"], "/x/y/": []});
    let stored = bed.accounts.add(&text(&sent)).await.unwrap();
    assert_eq!((stored.id, stored.used_quota_size), (1, 0));
    assert!(stored.password.expose().starts_with("$argon2id$"));
    assert_eq!(stored.permissions["/"], ["*"]);
    assert!(stored.permissions["/x/y"].is_empty());
    assert_eq!(bed.accounts.get(1).await.unwrap(), stored);
    assert_eq!(bed.told(), [AccountAction::Add]);
}

#[tokio::test]
async fn known_hashes_are_stored_as_sent() {
    let bed = sqlite().await;
    let stored = bed.accounts.add(&text(&body("a"))).await.unwrap();
    assert_eq!(stored.password.expose(), HASH);
}

#[tokio::test]
async fn a_new_user_without_home_gets_one_below_the_base_directory() {
    let config = DataProviderConfig { users_base_dir: "/base".into(), ..Default::default() };
    let bed = Bed::new(config).await;
    let mut sent = body("a");
    sent["home_dir"] = "".into();
    assert_eq!(bed.accounts.add(&text(&sent)).await.unwrap().home_dir, "/base/a");
    sent["username"] = "..".into();
    let fault = bed.accounts.add(&text(&sent)).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::InvalidInput);
}

#[tokio::test]
async fn an_update_is_laid_over_and_an_invalid_one_changes_nothing() {
    let bed = sqlite().await;
    let stored = bed.accounts.add(&text(&body("a"))).await.unwrap();
    let version = bed.accounts.version(&stored.username);
    bed.accounts.update(stored.id, br#"{"max_sessions":3,"username":"b"}"#).await.unwrap();
    let changed = bed.accounts.get(stored.id).await.unwrap();
    assert_eq!(changed, Account { max_sessions: 3, ..stored.clone() });
    assert!(bed.accounts.version(&stored.username) > version);
    for bad in [r#"{"home_dir":"rel"}"#, r#"{"id":77}"#, r#"{"id":"1"}"#, "[]", ""] {
        let fault = bed.accounts.update(stored.id, bad.as_bytes()).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidInput, "{bad}");
    }
    assert_eq!(bed.accounts.get(stored.id).await.unwrap(), changed);
    assert_eq!(bed.told(), [AccountAction::Add, AccountAction::Update]);
}

#[tokio::test]
async fn concurrent_updates_of_different_fields_both_count() {
    let bed = Arc::new(sqlite().await);
    let id = bed.accounts.add(&text(&body("a"))).await.unwrap().id;
    let mut tasks = Vec::new();
    for round in 1..=10 {
        for field in ["max_sessions", "quota_files"] {
            let bed = bed.clone();
            let body = format!(r#"{{"{field}":{round}}}"#);
            tasks.push(tokio::spawn(async move { bed.accounts.update(id, body.as_bytes()).await }));
        }
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let account = bed.accounts.get(id).await.unwrap();
    assert!(account.max_sessions > 0 && account.quota_files > 0);
}

#[tokio::test]
async fn a_deleted_account_is_told_as_it_was() {
    let bed = sqlite().await;
    let stored = bed.accounts.add(&text(&body("a"))).await.unwrap();
    bed.accounts.delete(stored.id).await.unwrap();
    let missing = bed.accounts.delete(stored.id).await.unwrap_err();
    assert_eq!(missing.kind(), FaultKind::NotFound);
    let told = bed.told.0.lock();
    assert_eq!(told.last().unwrap(), &(AccountAction::Delete, stored));
}

#[tokio::test]
async fn without_management_nothing_is_written() {
    let config = DataProviderConfig { manage_users: 0, ..Default::default() };
    let bed = Bed::new(config).await;
    let refused = Some(FaultKind::PermissionDenied);
    let kind = |answer: Option<Fault>| answer.map(|fault| fault.kind());
    assert_eq!(kind(bed.accounts.add(&text(&body("a"))).await.err()), refused);
    assert_eq!(kind(bed.accounts.update(1, b"{}").await.err()), refused);
    assert_eq!(kind(bed.accounts.delete(1).await.err()), refused);
    let restored = bed.accounts.restore(Account::default(), Existing::Replace).await;
    assert_eq!(kind(restored.err()), refused);
    assert!(bed.told().is_empty());
}

#[tokio::test]
async fn hooks_replace_or_patch_and_tell_nobody() {
    let bed = sqlite().await;
    let answered = parse_account(&text(&body("a"))).unwrap();
    let made = bed.accounts.upsert_from_hook(answered.clone()).await.unwrap();
    let answer = Account { id: 50, last_login: 50, uid: 7, ..answered };
    let replaced = bed.accounts.upsert_from_hook(answer).await.unwrap();
    assert_eq!((replaced.id, replaced.last_login, replaced.uid), (made.id, 0, 7));
    let patched = bed.accounts.patch_from_hook(&made.username, br#"{"gid":8}"#).await.unwrap();
    assert_eq!(patched, Account { gid: 8, ..replaced });
    assert_eq!(bed.accounts.get(made.id).await.unwrap(), patched);
    assert!(bed.accounts.patch_from_hook(&made.username, b"x").await.is_err());
    assert!(bed.told().is_empty());
}

#[tokio::test]
async fn a_restore_replaces_or_keeps_and_a_backup_has_every_user() {
    let bed = sqlite().await;
    let mut account = parse_account(&text(&body("a"))).unwrap();
    bed.accounts.restore(account.clone(), Existing::Replace).await.unwrap();
    account.uid = 9;
    let kept = bed.accounts.restore(account.clone(), Existing::Keep).await.unwrap();
    assert_eq!(kept, Restored::Kept);
    assert_eq!(bed.accounts.get(1).await.unwrap().uid, 0);
    bed.accounts.restore(account, Existing::Replace).await.unwrap();
    assert_eq!(bed.accounts.get(1).await.unwrap().uid, 9);
    assert_eq!(bed.told(), [AccountAction::Add, AccountAction::Update]);
    let mut backup = bed.accounts.backup().await;
    assert_eq!(backup.next_users().await.unwrap().len(), 1);
    assert!(backup.next_users().await.unwrap().is_empty());
}

#[tokio::test]
async fn gcs_credentials_are_kept_beside_the_record_and_end_with_the_user() {
    let bed = sqlite().await;
    let mut sent = body("a");
    sent["filesystem"] =
        serde_json::json!({"provider": 2, "gcsconfig": {"bucket": "b", "credentials": "e30="}});
    let stored = bed.accounts.add(&text(&sent)).await.unwrap();
    assert!(stored.filesystem.gcsconfig.credentials.expose().is_empty());
    bed.accounts.update(stored.id, br#"{"status":0}"#).await.unwrap();
    let clear = bed.accounts.with_clear_secrets(stored.clone()).await.unwrap();
    assert_eq!(clear.filesystem.gcsconfig.credentials.expose(), "e30=");
    bed.accounts.delete(stored.id).await.unwrap();
    assert_eq!(std::fs::read_dir(bed.dir.path().join("credentials")).unwrap().count(), 0);
}

#[tokio::test]
async fn a_refused_user_does_not_touch_the_credentials_of_the_one_with_that_name() {
    let bed = sqlite().await;
    let gcs = |credentials: &str| {
        let mut sent = body("a");
        sent["filesystem"] = serde_json::json!(
            {"provider": 2, "gcsconfig": {"bucket": "b", "credentials": credentials}});
        text(&sent)
    };
    let stored = bed.accounts.add(&gcs("e30=")).await.unwrap();
    let refused = bed.accounts.add(&gcs("e319")).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::AlreadyExists);
    let clear = bed.accounts.with_clear_secrets(stored).await.unwrap();
    assert_eq!(clear.filesystem.gcsconfig.credentials.expose(), "e30=");
}

#[tokio::test]
async fn the_memory_provider_hashes_what_its_dump_has_in_clear() {
    let dir = tempfile::tempdir().unwrap();
    let mut user = body("a");
    user["password"] = "clear".into();
    let dump = serde_json::json!({"users": [user]});
    std::fs::write(dir.path().join("dump"), dump.to_string()).unwrap();
    let config =
        DataProviderConfig { driver: "memory".into(), name: "dump".into(), ..Default::default() };
    let provider = open(&config, dir.path()).await.unwrap();
    let accounts = Accounts::new(provider, &config, dir.path(), Arc::new(Told::default()));
    accounts.reload().await.unwrap();
    assert!(accounts.get(1).await.unwrap().password.expose().starts_with("$argon2id$"));
}
