//! Uploads that replace a file at their end: what is there meanwhile, and what a broken one leaves.

use ferryd_tests::raw_sftp::{RawSftp, flags};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use serde_json::json;

both_topologies!(
    an_old_file_can_be_read_until_the_new_one_replaces_it,
    a_broken_overwrite_leaves_the_old_file_or_the_new_part,
    appending_changes_the_file_at_its_end_only,
    a_broken_append_loses_nothing_of_the_old_file,
    bytes_that_are_not_written_stay_without_truncation,
);

const ATOMIC: [i64; 2] = [1, 2];

async fn start(topology: Topology, mode: i64) -> (Server, User, RawSftp) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
    let alice = server.user("alice").await;
    alice.put("file", "the old content");
    let sftp = server.sftp_of(&alice).await;
    (server, alice, sftp)
}

/// Breaks the connection and waits until nothing but the file is left.
async fn cut(server: &Server, alice: &User, sftp: RawSftp) {
    sftp.connection().close().await;
    drop(sftp);
    until("the end of the session", async || {
        server.connections_of("alice").await.is_empty().then_some(())
    })
    .await;
    until("the temporary file to go", async || {
        (std::fs::read_dir(&alice.home).unwrap().count() == 1).then_some(())
    })
    .await;
}

async fn an_old_file_can_be_read_until_the_new_one_replaces_it(topology: Topology) {
    for mode in ATOMIC {
        let (server, alice, mut sftp) = start(topology, mode).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"new").await.unwrap();
        let mut other = server.sftp_of(&alice).await;
        assert_eq!(other.get("/file").await.unwrap(), b"the old content", "mode {mode}");
        assert_eq!(other.stat("/file").await.unwrap().size, Some(15), "mode {mode}");
        let old = other.open("/file", flags::READ).await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(other.get("/file").await.unwrap(), b"new", "mode {mode}");
        assert_eq!(other.read(&old, 0, 100).await.unwrap(), b"the old content", "mode {mode}");
    }
}

async fn a_broken_overwrite_leaves_the_old_file_or_the_new_part(topology: Topology) {
    for (mode, left) in [(1, "the old content"), (2, "new")] {
        let (server, alice, mut sftp) = start(topology, mode).await;
        let handle = sftp.open("/file", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"new").await.unwrap();
        cut(&server, &alice, sftp).await;
        assert_eq!(alice.read("file"), left.as_bytes(), "mode {mode}");
    }
}

async fn appending_changes_the_file_at_its_end_only(topology: Topology) {
    for mode in ATOMIC {
        let (_server, alice, mut sftp) = start(topology, mode).await;
        let handle = sftp.open("/file", flags::WRITE | flags::APPEND).await.unwrap();
        sftp.write(&handle, 15, b" and more").await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(alice.read("file"), b"the old content and more", "mode {mode}");
        assert_eq!(std::fs::read_dir(&alice.home).unwrap().count(), 1, "mode {mode}");
    }
}

async fn a_broken_append_loses_nothing_of_the_old_file(topology: Topology) {
    for mode in ATOMIC {
        let (server, alice, mut sftp) = start(topology, mode).await;
        let handle = sftp.open("/file", flags::WRITE | flags::APPEND).await.unwrap();
        sftp.write(&handle, 15, b" and more").await.unwrap();
        cut(&server, &alice, sftp).await;
        assert_eq!(alice.read("file"), b"the old content and more", "mode {mode}");
    }
}

async fn bytes_that_are_not_written_stay_without_truncation(topology: Topology) {
    for mode in [0, 1, 2] {
        let (_server, alice, mut sftp) = start(topology, mode).await;
        let handle = sftp.open("/file", flags::WRITE).await.unwrap();
        sftp.write(&handle, 4, b"new").await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(alice.read("file"), b"the new content", "mode {mode}");
    }
}
