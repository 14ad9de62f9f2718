use super::*;

fn s3(secret: &str) -> Account {
    let mut account = Account::default();
    account.filesystem.provider = StorageProvider::S3;
    account.filesystem.s3config.access_key = "key".into();
    account.filesystem.s3config.access_secret = Secret::new(secret.into());
    account
}

fn secret_of(account: &Account) -> String {
    account.filesystem.s3config.access_secret.expose().clone()
}

fn vault(dir: &tempfile::TempDir) -> Vault {
    Vault::new(&DataProviderConfig::default(), dir.path())
}

#[tokio::test]
async fn a_secret_is_sealed_once_and_revealed_for_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let stored = vault(&dir).seal(s3("clear"), None).await.unwrap();
    assert!(secret_of(&stored).starts_with("$aes$"));
    let again = vault(&dir).seal(stored.clone(), Some(&stored)).await.unwrap();
    assert_eq!(again, stored);
    assert_eq!(secret_of(&vault(&dir).reveal(stored).await.unwrap()), "clear");
}

#[tokio::test]
async fn text_that_only_looks_sealed_is_a_secret_like_any_other() {
    let dir = tempfile::tempdir().unwrap();
    let stored = vault(&dir).seal(s3("$aes$0011"), None).await.unwrap();
    assert_eq!(secret_of(&vault(&dir).reveal(stored).await.unwrap()), "$aes$0011");
}

#[tokio::test]
async fn a_backup_can_be_restored_on_another_server() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stored = vault(&here).seal(s3("clear"), None).await.unwrap();
    let portable = vault(&here).portable(stored).await.unwrap();
    assert!(!secret_of(&portable).contains("clear"));
    let restored = vault(&there).seal(portable, None).await.unwrap();
    assert_eq!(secret_of(&vault(&there).reveal(restored).await.unwrap()), "clear");
}

#[tokio::test]
async fn the_shown_secret_and_no_secret_keep_the_stored_one() {
    let dir = tempfile::tempdir().unwrap();
    let stored = vault(&dir).seal(s3("clear"), None).await.unwrap();
    let shown = shown_secret(&secret_of(&stored));
    for sent in [shown.as_str(), ""] {
        let mut account = s3(sent);
        vault(&dir).keep_unchanged(&mut account, &stored);
        assert_eq!(account, stored);
    }
    let mut removed = s3("");
    removed.filesystem.s3config.access_key.clear();
    vault(&dir).keep_unchanged(&mut removed, &stored);
    assert_eq!(secret_of(&removed), "");
}

#[tokio::test]
async fn the_memory_provider_leaves_nothing_on_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let config = DataProviderConfig { driver: "memory".into(), ..Default::default() };
    let vault = Vault::new(&config, dir.path());
    let mut account = s3("clear");
    account.filesystem.gcsconfig.credentials = Secret::new("e30=".into());
    let stored = vault.seal(account, None).await.unwrap();
    assert_eq!(stored.filesystem.gcsconfig.credentials.expose(), "e30=");
    assert_eq!(secret_of(&vault.reveal(stored).await.unwrap()), "clear");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
