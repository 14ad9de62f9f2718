//! Usage and grants.

use ferryd_domain::{Account, Fault, FaultKind, Username};

use super::{Fixture, account, assert_kind, bob, connection, start};
use crate::{Certainty, GrantRequest, TransferId, UsageChange};

fn request(transfer: &str, bytes: u64, files: u32) -> GrantRequest {
    GrantRequest {
        transfer: TransferId(transfer.to_owned()),
        connection: connection("c1"),
        username: bob(),
        bytes,
        files,
    }
}

fn change(transfer: &str, size: i64, files: i64) -> UsageChange {
    UsageChange {
        transfer: TransferId(transfer.to_owned()),
        username: bob(),
        size,
        files,
        certainty: Certainty::Exact,
    }
}

/// An account with these limits and an open session.
async fn limited(fixture: &dyn Fixture, size: i64, files: i64) {
    let account = Account { quota_size: size, quota_files: files, ..account() };
    fixture.add_account(account, "secret").await;
    assert!(fixture.control_plane().open_session(start("c1")).await.is_ok());
}

async fn usage(fixture: &dyn Fixture) -> Option<(i64, i64)> {
    let usage = fixture.control_plane().quota_usage(&bob()).await.ok()?;
    Some((usage.size, usage.files))
}

async fn reserve(fixture: &dyn Fixture, request: GrantRequest) -> Result<u64, Fault> {
    fixture.control_plane().reserve(request).await.map(|grant| grant.bytes)
}

/// A change may be sent again; counters never fall below zero.
pub async fn a_change_of_usage_counts_once(fixture: &dyn Fixture) {
    limited(fixture, 0, 0).await;
    let plane = fixture.control_plane();
    for sent in [change("t1", 100, 1), change("t1", 100, 1), change("t2", 5, 1)] {
        assert!(plane.change_usage(sent).await.is_ok());
    }
    assert_eq!(usage(fixture).await, Some((105, 2)));
    assert!(plane.change_usage(change("t3", -1000, -10)).await.is_ok());
    assert_eq!(usage(fixture).await, Some((0, 0)));
}

/// For reading, reserving and changing.
pub async fn usage_of_an_unknown_account_is_not_found(fixture: &dyn Fixture) {
    let plane = fixture.control_plane();
    let eve = Username::stored("eve");
    assert_kind(plane.quota_usage(&eve).await, FaultKind::NotFound);
    let request = GrantRequest { username: eve.clone(), ..request("t1", 1, 1) };
    assert_kind(plane.reserve(request).await, FaultKind::NotFound);
    let change = UsageChange { username: eve, ..change("t1", 1, 1) };
    assert_kind(plane.change_usage(change).await, FaultKind::NotFound);
}

/// Usage and grants together stay within the limit.
pub async fn grants_never_pass_the_limit_and_end_with_their_change(fixture: &dyn Fixture) {
    limited(fixture, 100, 0).await;
    let plane = fixture.control_plane();
    assert!(plane.change_usage(change("old", 30, 1)).await.is_ok());
    assert_eq!(reserve(fixture, request("t1", 50, 1)).await.ok(), Some(50));
    assert_eq!(reserve(fixture, request("t2", 50, 1)).await.ok(), Some(20));
    assert_kind(reserve(fixture, request("t3", 1, 1)).await, FaultKind::QuotaExceeded);
    assert_kind(reserve(fixture, request("t1", 1, 0)).await, FaultKind::QuotaExceeded);
    assert!(plane.change_usage(change("t1", 10, 1)).await.is_ok());
    assert_eq!(reserve(fixture, request("t3", 100, 1)).await.ok(), Some(40));
    assert_eq!(usage(fixture).await, Some((40, 2)));
}

/// A session that ends without a word about its transfers holds nothing back.
pub async fn grants_end_with_their_session(fixture: &dyn Fixture) {
    limited(fixture, 100, 0).await;
    assert_eq!(reserve(fixture, request("t1", 100, 1)).await.ok(), Some(100));
    assert_kind(reserve(fixture, request("t2", 1, 1)).await, FaultKind::QuotaExceeded);
    assert!(fixture.control_plane().close_session(connection("c1")).await.is_ok());
    let plane = fixture.control_plane();
    assert!(plane.open_session(start("c2")).await.is_ok());
    let again = GrantRequest { connection: connection("c2"), ..request("t2", 100, 1) };
    assert_eq!(reserve(fixture, again).await.ok(), Some(100));
}

/// No limit, no end.
pub async fn an_account_without_limits_is_granted_everything(fixture: &dyn Fixture) {
    limited(fixture, 0, 0).await;
    for transfer in ["t1", "t2"] {
        assert_eq!(reserve(fixture, request(transfer, 1, 1)).await.ok(), Some(u64::MAX));
    }
}

/// Each new file takes one of the places; overwriting takes none.
pub async fn uploads_at_once_cannot_pass_the_limit_on_files(fixture: &dyn Fixture) {
    limited(fixture, 0, 2).await;
    for transfer in ["t1", "t2"] {
        assert!(reserve(fixture, request(transfer, 1, 1)).await.is_ok());
    }
    assert_kind(reserve(fixture, request("t3", 1, 1)).await, FaultKind::QuotaExceeded);
    assert_eq!(reserve(fixture, request("t3", 1, 0)).await.ok(), Some(u64::MAX));
}

/// A transfer that holds the last bytes may still ask for a file.
pub async fn a_file_alone_needs_no_bytes(fixture: &dyn Fixture) {
    limited(fixture, 100, 2).await;
    assert_eq!(reserve(fixture, request("t1", 100, 0)).await.ok(), Some(100));
    for transfer in ["t1", "t2"] {
        assert_eq!(reserve(fixture, request(transfer, 0, 1)).await.ok(), Some(0));
    }
    assert_kind(reserve(fixture, request("t3", 0, 1)).await, FaultKind::QuotaExceeded);
}
