//! Quota is exact: counters equal the disk to the byte, whatever clients do, and no upload passes a
//! limit.

mod bursts;
mod storms;

use std::path::Path;
use std::time::{Duration, Instant};

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wait::until_within;
use ferryd_tests::wire::{Attributes, Fields};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use serde_json::json;

both_topologies!(
    a_running_upload_is_stopped_by_the_quota_in_every_mode,
    concurrent_uploads_share_what_is_left,
    concurrent_uploads_share_the_bytes_that_are_left,
    a_rename_over_a_file_subtracts_the_replaced_one,
    opening_without_truncation_counts_the_difference,
    rewritten_ranges_count_once,
    uploads_of_one_new_file_at_once_count_it_once,
    a_file_that_is_removed_while_it_is_uploaded_counts_nothing,
    a_broken_upload_counts_what_stays,
    nothing_is_counted_without_tracking,
    only_users_with_a_limit_are_counted_in_mode_2,
    a_size_that_is_set_is_accounted,
    a_scan_during_an_upload_does_not_count_it_twice,
    a_file_that_is_linked_while_it_is_written_is_counted_right,
    an_overwrite_of_a_file_that_has_gone_needs_room_for_a_file,
);

/// Files and bytes below a folder; what vanishes meanwhile counts nothing.
fn on_disk(folder: &Path) -> (i64, i64) {
    let mut sum = (0, 0);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        let found = match metadata.is_dir() {
            true => on_disk(&entry.path()),
            false => (1, i64::try_from(metadata.len()).unwrap()),
        };
        sum = (sum.0 + found.0, sum.1 + found.1);
    }
    sum
}

async fn assert_exact(server: &Server, user: &User, patience: Duration) {
    let mut last = String::new();
    let end = Instant::now() + patience;
    loop {
        let (counted, stored) = (server.used_quota(user).await, on_disk(&user.home));
        if counted == stored {
            return;
        }
        let now = format!("counted {counted:?}, stored {stored:?}");
        if now != last {
            println!("{now}");
            last = now;
        }
        assert!(Instant::now() < end, "{last}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn a_running_upload_is_stopped_by_the_quota_in_every_mode(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        for number in 0..3 {
            sftp.write(&handle, number * 32_000, &[7; 32_000]).await.unwrap();
        }
        let refused = sftp.write(&handle, 96_000, &[7; 32_000]).await.unwrap_err();
        assert_eq!(refused.code, code::FAILURE, "mode {mode}");
        assert!(refused.text.contains("quota"), "mode {mode}: {}", refused.text);
        assert!(sftp.close(&handle).await.is_err(), "mode {mode}");
        assert_exact(&server, &alice, Duration::from_secs(10)).await;
        assert_eq!(on_disk(&alice.home).0, i64::from(mode != 1), "mode {mode}");
    }
}

async fn concurrent_uploads_share_what_is_left(topology: Topology) {
    let server = Server::start(topology).await;
    let limits = json!({ "quota_size": 100_000, "quota_files": 1 });
    let alice = server.user_with("alice", limits).await;
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let first = one.open("/one", flags::PUT).await.unwrap();
    let refused = two.open("/two", flags::PUT).await.unwrap_err();
    assert_eq!(refused.code, code::FAILURE);
    assert!(refused.text.contains("quota"), "{}", refused.text);
    assert!(!alice.has("two"));
    one.close(&first).await.unwrap();
    server.until_used(&alice, (1, 0)).await;
}

async fn concurrent_uploads_share_the_bytes_that_are_left(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 50_000 })).await;
        let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        let first = one.open("/one", flags::PUT).await.unwrap();
        let second = two.open("/two", flags::PUT).await.unwrap();
        one.write(&first, 0, &[1; 30_000]).await.unwrap();
        let refused = two.write(&second, 0, &[2; 30_000]).await.unwrap_err();
        assert!(refused.text.contains("quota"), "mode {mode}: {}", refused.text);
        one.close(&first).await.unwrap();
        assert!(two.close(&second).await.is_err(), "mode {mode}");
        assert_exact(&server, &alice, Duration::from_secs(10)).await;
        assert_eq!(alice.read("one"), [1; 30_000], "mode {mode}");
        two.put("/two", &[2; 20_000]).await.unwrap();
        server.until_used(&alice, (2, 50_000)).await;
    }
}

async fn a_rename_over_a_file_subtracts_the_replaced_one(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", &[0; 1000]).await.unwrap();
    sftp.put("/b", &[0; 300]).await.unwrap();
    sftp.rename("/b", "/a").await.unwrap();
    server.until_used(&alice, (1, 300)).await;
    sftp.put("/b", &[0; 50]).await.unwrap();
    sftp.posix_rename("/b", "/a").await.unwrap();
    server.until_used(&alice, (1, 50)).await;
}

async fn opening_without_truncation_counts_the_difference(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        sftp.put("/a", &[0; 1000]).await.unwrap();
        let handle = sftp.open("/a", flags::WRITE | flags::CREATE).await.unwrap();
        sftp.write(&handle, 900, &[1; 200]).await.unwrap();
        sftp.close(&handle).await.unwrap();
        server.until_used(&alice, (1, 1100)).await;
    }
}

async fn rewritten_ranges_count_once(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 1000 })).await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/a", flags::PUT).await.unwrap();
        for _ in 0..10 {
            sftp.write(&handle, 0, &[1; 900]).await.unwrap();
        }
        sftp.close(&handle).await.unwrap();
        server.until_used(&alice, (1, 900)).await;
    }
}

async fn uploads_of_one_new_file_at_once_count_it_once(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        let first = one.open("/file", flags::PUT).await.unwrap();
        one.write(&first, 0, &[1; 100]).await.unwrap();
        let second = two.open("/file", flags::PUT).await.unwrap();
        two.write(&second, 0, &[2; 40]).await.unwrap();
        one.close(&first).await.unwrap();
        two.close(&second).await.unwrap();
        assert_exact(&server, &alice, Duration::from_secs(10)).await;
        assert_eq!(on_disk(&alice.home).0, 1, "mode {mode}");
    }
}

async fn a_file_that_is_removed_while_it_is_uploaded_counts_nothing(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let handle = one.open("/file", flags::PUT).await.unwrap();
    one.write(&handle, 0, &[1; 100]).await.unwrap();
    two.remove("/file").await.unwrap();
    let _ = one.close(&handle).await;
    server.until_used(&alice, (0, 0)).await;
    two.put("/other", &[1; 10]).await.unwrap();
    server.until_used(&alice, (1, 10)).await;
}

async fn a_broken_upload_counts_what_stays(topology: Topology) {
    for (mode, kept) in [(0, (1, 500)), (1, (0, 0)), (2, (1, 500))] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, &[1; 500]).await.unwrap();
        sftp.connection().close().await;
        drop(sftp);
        until("the end of the session", async || {
            server.connections_of("alice").await.is_empty().then_some(())
        })
        .await;
        server.until_used(&alice, kept).await;
        assert_eq!(on_disk(&alice.home), kept, "mode {mode}");
    }
}

async fn nothing_is_counted_without_tracking(topology: Topology) {
    let config = json!({ "data_provider": { "track_quota": 0 } });
    let server = Server::with(topology, config).await;
    let alice = server.user_with("alice", json!({ "quota_size": 10, "quota_files": 1 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/one", &[1; 100]).await.unwrap();
    sftp.put("/two", &[1; 100]).await.unwrap();
    assert_eq!(server.used_quota(&alice).await, (0, 0));
}

async fn only_users_with_a_limit_are_counted_in_mode_2(topology: Topology) {
    let config = json!({ "data_provider": { "track_quota": 2 } });
    let server = Server::with(topology, config).await;
    let free = server.user("free").await;
    let limited = server.user_with("limited", json!({ "quota_files": 5 })).await;
    server.sftp_of(&free).await.put("/one", &[1; 100]).await.unwrap();
    server.sftp_of(&limited).await.put("/one", &[1; 100]).await.unwrap();
    server.until_used(&limited, (1, 100)).await;
    assert_eq!(server.used_quota(&free).await, (0, 0));
}

async fn a_size_that_is_set_is_accounted(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 1000 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", &[0; 100]).await.unwrap();
    let size = |size| Attributes { size: Some(size), ..Attributes::default() };
    sftp.set("/a", size(600)).await.unwrap();
    server.until_used(&alice, (1, 600)).await;
    let refused = sftp.set("/a", size(1001)).await.unwrap_err();
    assert!(refused.text.contains("quota"), "{}", refused.text);
    sftp.set("/a", size(1)).await.unwrap();
    server.until_used(&alice, (1, 1)).await;
    until_within(Duration::from_secs(5), "the disk", async || {
        (on_disk(&alice.home) == (1, 1)).then_some(())
    })
    .await;
}

async fn a_scan_during_an_upload_does_not_count_it_twice(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, &[7; 1000]).await.unwrap();
    let asked = json!({ "username": "alice" }).to_string();
    assert_eq!(server.call("POST", "/api/v1/quota_scan", &asked).await.0, 201);
    until("the end of the scan", async || {
        (server.call("GET", "/api/v1/quota_scan", "").await.1 == json!([])).then_some(())
    })
    .await;
    assert_eq!(server.used_quota(&alice).await, (1, 1000));
    sftp.write(&handle, 1000, &[7; 1000]).await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_exact(&server, &alice, Duration::from_secs(30)).await;
    sftp.put("/another", b"x").await.unwrap();
    server.until_used(&alice, (2, 2001)).await;
}

async fn a_file_that_is_linked_while_it_is_written_is_counted_right(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    for (name, end) in [("cut", 0), ("grown", 5000), ("same", 1000)] {
        let path = format!("/{name}");
        let handle = sftp.open(&path, flags::PUT).await.unwrap();
        sftp.write(&handle, 0, &[7; 1000]).await.unwrap();
        let link = Fields::new().string("hardlink@openssh.com").string(&path);
        sftp.request(200, link.string(format!("{path}-2"))).await.unwrap();
        sftp.set(&path, Attributes { size: Some(end), ..Attributes::default() }).await.unwrap();
        sftp.close(&handle).await.unwrap();
    }
    assert_eq!(on_disk(&alice.home), (6, 12_000));
    server.until_used(&alice, (6, 12_000)).await;
}

async fn an_overwrite_of_a_file_that_has_gone_needs_room_for_a_file(topology: Topology) {
    for mode in [1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let limits = json!({ "quota_files": 2, "quota_size": 1000 });
        let alice = server.user_with("alice", limits).await;
        let mut sftp = server.sftp_of(&alice).await;
        sftp.put("/old", b"content").await.unwrap();
        let overwrites = [sftp.open("/old", flags::PUT).await, sftp.open("/old", flags::PUT).await];
        sftp.remove("/old").await.unwrap();
        for name in ["/a", "/b"] {
            sftp.put(name, b"x").await.unwrap();
        }
        let [first, second] = overwrites.map(Result::unwrap);
        sftp.write(&first, 0, b"new").await.unwrap();
        // A link in its place is no file.
        sftp.symlink("/a", "/old").await.unwrap();
        let refused = sftp.close(&first).await.unwrap_err();
        assert!(refused.text.contains("quota"), "mode {mode}: {}", refused.text);
        sftp.remove("/old").await.unwrap();
        // With room again the other one comes through, though it holds all bytes that are left.
        sftp.remove("/a").await.unwrap();
        sftp.write(&second, 0, &[7; 998]).await.unwrap();
        sftp.close(&second).await.unwrap();
        server.until_used(&alice, (2, 999)).await;
        // A part that is broken off makes no file more either.
        let third = sftp.open("/old", flags::WRITE).await.unwrap();
        sftp.remove("/old").await.unwrap();
        sftp.put("/a", b"x").await.unwrap();
        sftp.write(&third, 0, b"cut").await.unwrap();
        sftp.connection().close().await;
        drop(sftp);
        until("the temporary file to go", async || (on_disk(&alice.home).0 == 2).then_some(()))
            .await;
        server.until_used(&alice, (2, 2)).await;
    }
}
