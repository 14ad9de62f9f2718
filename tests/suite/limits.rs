//! Quota, bandwidth and virtual folders.

use std::time::{Duration, Instant};

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::{Server, Topology, both_topologies, until};
use serde_json::json;

both_topologies!(
    a_full_quota_refuses_uploads_and_leaves_files_alone,
    an_upload_stops_where_the_quota_ends,
    two_uploads_at_once_do_not_pass_the_quota_together,
    counters_follow_what_happens_to_files,
    a_bandwidth_limit_holds_for_all_transfers_of_a_user,
    a_virtual_folder_is_listed_and_used_like_any_other,
    a_virtual_folder_stays_where_it_is,
);

async fn a_full_quota_refuses_uploads_and_leaves_files_alone(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_files": 1 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/one", b"content").await.unwrap();
    server.until_used(&alice, (1, 7)).await;
    assert_eq!(sftp.put("/two", b"x").await.unwrap_err().code, code::FAILURE);
    assert!(!alice.has("two"));
    sftp.put("/one", b"overwriting is no new file").await.unwrap();
    let bob = server.user_with("bob", json!({ "quota_size": 10 })).await;
    let mut sftp = server.sftp_of(&bob).await;
    sftp.put("/one", b"0123456789").await.unwrap();
    server.until_used(&bob, (1, 10)).await;
    assert_eq!(sftp.put("/one", b"x").await.unwrap_err().code, code::FAILURE);
    assert_eq!(bob.read("one"), b"0123456789");
    sftp.remove("/one").await.unwrap();
    server.until_used(&bob, (0, 0)).await;
    sftp.put("/two", b"x").await.unwrap();
}

async fn an_upload_stops_where_the_quota_ends(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        let mut refused = false;
        for number in 0..10 {
            refused |= sftp.write(&handle, number * 32_768, &[7; 32_768]).await.is_err();
        }
        assert!(refused, "mode {mode}");
        assert!(sftp.close(&handle).await.is_err(), "mode {mode}");
        let kept = std::fs::metadata(alice.path("file")).map_or(0, |metadata| metadata.len());
        assert!(kept <= 100_000, "mode {mode}: {kept}");
        let files = std::fs::read_dir(&alice.home).unwrap().count();
        assert!(files <= 1, "no temporary file stays");
        let expected = (i64::try_from(files).unwrap(), i64::try_from(kept).unwrap());
        server.until_used(&alice, expected).await;
    }
}

async fn two_uploads_at_once_do_not_pass_the_quota_together(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let first = one.open("/one", flags::PUT).await.unwrap();
    let second = two.open("/two", flags::PUT).await.unwrap();
    let mut stored = 0;
    for number in 0..4 {
        let at = number * 20_000;
        for outcome in
            [one.write(&first, at, &[1; 20_000]).await, two.write(&second, at, &[2; 20_000]).await]
        {
            stored += if outcome.is_ok() { 20_000 } else { 0 };
        }
    }
    let _ = one.close(&first).await;
    let _ = two.close(&second).await;
    assert!(stored <= 100_000, "{stored} bytes were taken");
    until("counters that equal the disk", async || {
        let size = |name: &str| std::fs::metadata(alice.path(name)).map_or(0, |m| m.len() as i64);
        let disk = size("one") + size("two");
        assert!(disk <= 100_000, "{disk} bytes on the disk");
        (server.used_quota(&alice).await.1 == disk).then_some(())
    })
    .await;
}

async fn counters_follow_what_happens_to_files(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", &[0; 1000]).await.unwrap();
    sftp.put("/b", &[0; 500]).await.unwrap();
    server.until_used(&alice, (2, 1500)).await;
    sftp.put("/a", &[0; 100]).await.unwrap();
    server.until_used(&alice, (2, 600)).await;
    let handle = sftp.open("/a", flags::WRITE | flags::APPEND).await.unwrap();
    sftp.write(&handle, 100, &[0; 50]).await.unwrap();
    sftp.close(&handle).await.unwrap();
    server.until_used(&alice, (2, 650)).await;
    // Written twice, stored once.
    let handle = sftp.open("/c", flags::PUT).await.unwrap();
    for _ in 0..3 {
        sftp.write(&handle, 0, &[0; 200]).await.unwrap();
    }
    sftp.close(&handle).await.unwrap();
    server.until_used(&alice, (3, 850)).await;
    sftp.rename("/c", "/b").await.unwrap();
    server.until_used(&alice, (2, 350)).await;
    sftp.mkdir("/d").await.unwrap();
    sftp.symlink("/a", "/link").await.unwrap();
    sftp.remove("/link").await.unwrap();
    sftp.remove("/a").await.unwrap();
    server.until_used(&alice, (1, 200)).await;
}

async fn a_bandwidth_limit_holds_for_all_transfers_of_a_user(topology: Topology) {
    let server = Server::start(topology).await;
    let limits = json!({ "upload_bandwidth": 500, "download_bandwidth": 500 });
    let alice = server.user_with("alice", limits).await;
    alice.put("file", vec![7; 500_000]);
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let begin = Instant::now();
    let (first, second) = tokio::join!(one.get("/file"), two.get("/file"));
    assert_eq!(first.unwrap().len() + second.unwrap().len(), 1_000_000);
    let needed = begin.elapsed();
    // A megabyte at 500 KB/s takes two seconds, less what may come at once at the beginning.
    assert!(needed >= Duration::from_millis(1_200), "{needed:?}");
    let begin = Instant::now();
    one.put("/up", &[7; 1_000_000]).await.unwrap();
    let needed = begin.elapsed();
    assert!(needed >= Duration::from_millis(1_200), "{needed:?}");
    assert!(needed < Duration::from_secs(10), "{needed:?}");
}

async fn a_virtual_folder_is_listed_and_used_like_any_other(topology: Topology) {
    let server = Server::start(topology).await;
    let mapped = server.folder().join("mapped");
    std::fs::create_dir(&mapped).unwrap();
    let folders = json!([{ "virtual_path": "/deep/shared", "mapped_path": mapped }]);
    let alice = server.user_with("alice", json!({ "virtual_folders": folders })).await;
    std::fs::write(mapped.join("file"), "content").unwrap();
    let mut sftp = server.sftp_of(&alice).await;
    assert_eq!(sftp.list("/deep").await.unwrap()[0].name, b"shared");
    assert!(sftp.list("/deep").await.unwrap()[0].attributes.is_folder());
    assert_eq!(sftp.get("/deep/shared/file").await.unwrap(), b"content");
    sftp.put("/deep/shared/new", b"12345").await.unwrap();
    assert_eq!(std::fs::read(mapped.join("new")).unwrap(), b"12345");
    server.until_used(&alice, (1, 5)).await;
    assert_eq!(sftp.realpath("/deep/shared/..").await.unwrap(), b"/deep");
    std::os::unix::fs::symlink(&alice.home, mapped.join("back")).unwrap();
    assert!(sftp.list("/deep/shared/back").await.is_err(), "a folder is confined for itself");
    sftp.put("/plain", b"x").await.unwrap();
    sftp.rename("/plain", "/deep/shared/plain").await.unwrap();
    assert_eq!(std::fs::read(mapped.join("plain")).unwrap(), b"x");
}

async fn a_virtual_folder_stays_where_it_is(topology: Topology) {
    let server = Server::start(topology).await;
    let mapped = server.folder().join("mapped");
    std::fs::create_dir(&mapped).unwrap();
    let folders = json!([{ "virtual_path": "/deep/shared", "mapped_path": mapped }]);
    let alice = server.user_with("alice", json!({ "virtual_folders": folders })).await;
    alice.put("file", "x");
    let mut sftp = server.sftp_of(&alice).await;
    let folder = "/deep/shared";
    assert_eq!(sftp.rename(folder, "/elsewhere").await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.rename("/file", folder).await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.rename("/deep", "/elsewhere").await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.mkdir(folder).await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.rmdir(folder).await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.symlink("/file", folder).await.unwrap_err().code, code::DENIED);
    assert_eq!(sftp.remove(folder).await.unwrap_err().code, code::FAILURE);
    assert!(mapped.is_dir());
}
