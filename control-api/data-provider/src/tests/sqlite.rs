use std::sync::Arc;
use std::time::{Duration, Instant};

use ferryd_domain::{Account, FaultKind, Secret, Username};
use tempfile::TempDir;

use crate::{DataProvider, DataProviderConfig, Order, UserPage, initialize, open};

async fn empty() -> (Arc<dyn DataProvider>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = DataProviderConfig::default();
    initialize(&config, dir.path()).await.unwrap();
    (open(&config, dir.path()).await.unwrap(), dir)
}

crate::data_provider_contract!(empty());

/// What the seed made: version 1, no `virtual_folders`, permissions as a plain list.
const SEED: &str = r#"
    CREATE TABLE "users" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "username" varchar(255)
    NOT NULL UNIQUE, "password" varchar(255) NULL, "public_keys" text NULL, "home_dir" varchar(255)
    NOT NULL, "uid" integer NOT NULL, "gid" integer NOT NULL, "max_sessions" integer NOT NULL,
    "quota_size" bigint NOT NULL, "quota_files" integer NOT NULL, "permissions" text NOT NULL,
    "used_quota_size" bigint NOT NULL, "used_quota_files" integer NOT NULL, "last_quota_update"
    bigint NOT NULL, "upload_bandwidth" integer NOT NULL, "download_bandwidth" integer NOT NULL,
    "expiration_date" bigint NOT NULL, "last_login" bigint NOT NULL, "status" integer NOT NULL,
    "filters" text NULL, "filesystem" text NULL);
    CREATE TABLE "schema_version" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "version"
    integer NOT NULL);
    INSERT INTO schema_version (version) VALUES (1);
    INSERT INTO users VALUES (3, 'old', 'hash', NULL, '/srv/old', 0, 0, 0, 10, 2, '["list"]',
    5, 1, 7, 0, 0, 0, 9, 1, 'not json', NULL);
    INSERT INTO users VALUES (4, 'null', NULL, 'null', '/srv/n', 0, 0, 0, 0, 0, 'broken',
    0, 0, 0, 0, 0, 0, 0, 1, 'null', '{"provider":1,"s3config":{"bucket":"b"},"gcsconfig":null}');
"#;

async fn run(dir: &TempDir, sql: &'static str) {
    let file = dir.path().join("sftpgo.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_database_of_the_seed_opens_and_is_upgraded() {
    let dir = tempfile::tempdir().unwrap();
    run(&dir, SEED).await;
    for _ in 0..2 {
        let provider = open(&DataProviderConfig::default(), dir.path()).await.unwrap();
        let old = provider.user(&Username::stored("old")).await.unwrap();
        assert_eq!((old.id, old.quota_size, old.used_quota_size, old.last_login), (3, 10, 5, 9));
        assert_eq!(old.permissions["/"], ["list"]);
        assert!(old.public_keys.is_empty() && old.virtual_folders.is_empty());
        let null = provider.user_by_id(4).await.unwrap();
        assert!(null.password.expose().is_empty() && null.permissions.is_empty());
        assert_eq!(null.filesystem.s3config.bucket, "b");
        assert_eq!(
            (old.unreadable, null.unreadable),
            (vec!["filters".to_owned()], vec!["permissions".to_owned()])
        );
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    initialize(&DataProviderConfig::default(), dir.path()).await.unwrap();
    run(&dir, "UPDATE schema_version SET version = 3").await;
    let refused = open(&DataProviderConfig::default(), dir.path()).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::Unsupported);
}

#[tokio::test]
async fn the_table_may_have_another_name() {
    let dir = tempfile::tempdir().unwrap();
    let config = DataProviderConfig { users_table: "sftp_users".into(), ..Default::default() };
    initialize(&config, dir.path()).await.unwrap();
    let provider = open(&config, dir.path()).await.unwrap();
    provider
        .add_user(&Account { username: Username::stored("a"), ..Account::default() })
        .await
        .unwrap();
    run(&dir, "UPDATE sftp_users SET status = 1 WHERE username = 'a'").await;
    assert_eq!(provider.user(&Username::stored("a")).await.unwrap().status, 1);
}

#[tokio::test]
async fn a_connection_string_replaces_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let absolute = dir.path().join("two.db").display().to_string();
    for text in ["file:one.db?cache=shared&mode=rwc".to_owned(), format!("sqlite:{absolute}")] {
        let config =
            DataProviderConfig { connection_string: Secret::new(text), ..Default::default() };
        initialize(&config, dir.path()).await.unwrap();
        open(&config, dir.path()).await.unwrap().check().await.unwrap();
    }
    for file in ["one.db", "two.db"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }
    assert!(!dir.path().join("sftpgo.db").exists());
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_provider, dir) = empty().await;
    let mode = std::fs::metadata(dir.path().join("sftpgo.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn far_pages_and_single_users_are_quick_with_many_users() {
    let (provider, dir) = empty().await;
    run(
        &dir,
        "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) \
         INSERT INTO users (username, password, home_dir, uid, gid, max_sessions, quota_size, \
         quota_files, permissions, used_quota_size, used_quota_files, last_quota_update, \
         upload_bandwidth, download_bandwidth, expiration_date, last_login, status) \
         SELECT printf('user%06d', i), 'hash', '/srv/ftp', 0, 0, 0, 0, 0, '{\"/\":[\"*\"]}', 0, 0, 0, \
         0, 0, 0, 0, 1 FROM n",
    )
    .await;
    let page = UserPage { limit: 100, offset: 99_900, order: Order::Ascending, username: None };
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        let users = provider.users(&page).await.unwrap();
        best = best.min(start.elapsed());
        assert_eq!(users.first().unwrap().username.as_str(), "user099900");
        assert_eq!(users.len(), 100);
    }
    assert!(best < Duration::from_millis(50), "{best:?}");
    let start = Instant::now();
    for i in 0..100 {
        provider.user(&Username::stored(format!("user{:06}", i * 999))).await.unwrap();
    }
    assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
}

#[tokio::test]
async fn passwords_do_not_show_in_debug_output() {
    let (provider, _dir) = empty().await;
    let account = Account { password: Secret::new("hunter2".into()), ..Account::default() };
    let stored = provider.add_user(&account).await.unwrap();
    assert!(!format!("{stored:?} {provider:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_closed_database_is_one_file() {
    let (provider, dir) = empty().await;
    let account = Account { username: Username::stored("a"), ..Account::default() };
    provider.add_user(&account).await.unwrap();
    provider.close().await;
    let files: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert_eq!(files, ["sftpgo.db"]);
    assert_eq!(provider.check().await.unwrap_err().kind(), FaultKind::Unavailable);
}

#[tokio::test]
async fn without_management_of_users_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sftpgo.db");
    let read_only = DataProviderConfig { manage_users: 0, ..Default::default() };
    run(&dir, SEED).await;
    let before = std::fs::read(&file).unwrap();
    let refused = open(&read_only, dir.path()).await.unwrap_err();
    assert_eq!(refused.kind(), FaultKind::Unsupported);
    assert!(refused.public().contains("initprovider"), "{refused}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
    open(&DataProviderConfig::default(), dir.path()).await.unwrap().close().await;
    run(&dir, "PRAGMA journal_mode = DELETE").await;
    run(&dir, "CREATE VIEW people AS SELECT * FROM users").await;
    let before = std::fs::read(&file).unwrap();
    let view = DataProviderConfig { users_table: "people".into(), ..read_only };
    let provider = open(&view, dir.path()).await.unwrap();
    assert_eq!(provider.user(&Username::stored("old")).await.unwrap().id, 3);
    provider.close().await;
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn many_look_ups_at_once_find_their_own_account_each() {
    let (provider, _dir) = empty().await;
    let names: Vec<_> = (0..50).map(|number| Username::stored(format!("u{number}"))).collect();
    for name in &names {
        let account = Account { username: name.clone(), ..Account::default() };
        provider.add_user(&account).await.unwrap();
    }
    let look_ups = names.iter().map(|name| provider.user(name));
    let found = futures::future::join_all(look_ups).await;
    for (name, account) in names.iter().zip(found) {
        assert_eq!(account.unwrap().username, *name);
    }
}

#[tokio::test]
async fn a_look_up_that_is_given_up_does_not_spoil_the_next() {
    let (provider, _dir) = empty().await;
    let bob = Username::stored("bob");
    provider.add_user(&Account { username: bob.clone(), ..Account::default() }).await.unwrap();
    let mut given_up = 0;
    while given_up < 100 {
        let mut look_up = Box::pin(provider.user(&bob));
        given_up += usize::from(futures::poll!(&mut look_up).is_pending());
        drop(look_up);
        assert_eq!(provider.user(&bob).await.unwrap().username, bob);
    }
    provider.close().await;
    assert_eq!(provider.user(&bob).await.unwrap_err().kind(), FaultKind::Unavailable);
}
