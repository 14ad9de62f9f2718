use ferryd_domain::FaultKind;

use crate::{DataProviderConfig, Initialized, initialize, open};

fn config(driver: &str) -> DataProviderConfig {
    DataProviderConfig { driver: driver.into(), ..Default::default() }
}

#[tokio::test]
async fn initializing_twice_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let done = initialize(&config("sqlite"), dir.path()).await.unwrap();
        assert_eq!(done, Initialized::Ready);
    }
    assert_eq!(initialize(&config("memory"), dir.path()).await.unwrap(), Initialized::NotNeeded);
}

#[tokio::test]
async fn a_missing_file_is_named_and_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let fault = open(&config("sqlite"), dir.path()).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::NotFound);
    assert!(fault.public().contains("initprovider"));
    assert!(!dir.path().join("sftpgo.db").exists());
}

#[tokio::test]
async fn unknown_and_unbuilt_drivers_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    for (driver, kind) in [
        ("oracle", FaultKind::InvalidInput),
        ("mysql", FaultKind::Unsupported),
        ("postgresql", FaultKind::Unsupported),
        ("bolt", FaultKind::Unsupported),
    ] {
        assert_eq!(open(&config(driver), dir.path()).await.unwrap_err().kind(), kind, "{driver}");
        assert!(initialize(&config(driver), dir.path()).await.is_err(), "{driver}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sftpgo.db"), "no database, and long enough".repeat(50))
        .unwrap();
    let fault = open(&config("sqlite"), dir.path()).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::Unavailable);
}
