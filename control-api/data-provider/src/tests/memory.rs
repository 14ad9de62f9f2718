use std::path::Path;
use std::sync::Arc;

use ferryd_domain::{FaultKind, Username};
use tempfile::TempDir;

use crate::{DataProvider, DataProviderConfig, open};

async fn empty() -> (Arc<dyn DataProvider>, ()) {
    (open(&config(""), Path::new("/nonexistent")).await.unwrap(), ())
}

crate::data_provider_contract!(empty());

fn config(name: &str) -> DataProviderConfig {
    DataProviderConfig { driver: "memory".into(), name: name.into(), ..Default::default() }
}

fn user(name: &str) -> String {
    format!(
        r#"{{"username":"{name}","password":"x","home_dir":"/srv/{name}","status":1,
            "permissions":{{"/":["*","list"]}},"used_quota_size":9,"last_login":9,"id":77}}"#
    )
}

fn write(dir: &TempDir, users: &[String]) {
    let text = format!(r#"{{"users":[{}]}}"#, users.join(","));
    std::fs::write(dir.path().join("dump.json"), text).unwrap();
}

#[tokio::test]
async fn users_come_from_the_dump_with_counters_at_zero() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, &[user("a"), user("b")]);
    let provider = open(&config("dump.json"), dir.path()).await.unwrap();
    let a = provider.user(&Username::stored("a")).await.unwrap();
    assert_eq!((a.id, a.used_quota_size, a.last_login), (1, 0, 0));
    assert_eq!(a.permissions["/"], ["*"]);
}

#[tokio::test]
async fn a_reload_is_all_or_nothing_and_keeps_ids() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, &[user("a"), user("b")]);
    let provider = open(&config("dump.json"), dir.path()).await.unwrap();
    let b = provider.user(&Username::stored("b")).await.unwrap();
    provider.record_logins(&[(b.username.clone(), 5)]).await.unwrap();
    for bad in [vec![user("c"), user("")], vec![user("c"), user("c")]] {
        write(&dir, &bad);
        assert_eq!(provider.reload().await.unwrap_err().kind(), FaultKind::InvalidInput);
        assert_eq!(provider.user(&b.username).await.unwrap().last_login, 5);
        assert!(provider.user(&Username::stored("c")).await.is_err());
    }
    write(&dir, &[user("c"), user("b")]);
    provider.reload().await.unwrap();
    let again = provider.user(&b.username).await.unwrap();
    assert_eq!((again.id, again.last_login), (b.id, 0));
    assert_eq!(provider.user(&Username::stored("c")).await.unwrap().id, 3);
    assert!(provider.user(&Username::stored("a")).await.is_err());
}

#[tokio::test]
async fn a_dump_that_is_missing_empty_or_too_large_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = async || open(&config("dump.json"), dir.path()).await.unwrap_err().kind();
    assert_eq!(refused().await, FaultKind::InvalidInput);
    std::fs::write(dir.path().join("dump.json"), "").unwrap();
    assert_eq!(refused().await, FaultKind::InvalidInput);
    let large = format!("{}{}", r#"{"users":[]}"#, " ".repeat(10 * 1024 * 1024));
    std::fs::write(dir.path().join("dump.json"), large).unwrap();
    assert_eq!(refused().await, FaultKind::InvalidInput);
}

#[tokio::test]
async fn a_user_without_home_gets_the_default() {
    let dir = tempfile::tempdir().unwrap();
    write(&dir, &[user("a").replace("/srv/a", "")]);
    let config = DataProviderConfig { users_base_dir: "/base".into(), ..config("dump.json") };
    let provider = open(&config, dir.path()).await.unwrap();
    assert_eq!(provider.user(&Username::stored("a")).await.unwrap().home_dir, "/base/a");
}
