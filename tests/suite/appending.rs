//! Handles that were opened for appending: every write goes to the end of the file as it is then.

use ferryd_tests::files::temporary_folder;
use ferryd_tests::keys::client_key;
use ferryd_tests::openssh::run;
use ferryd_tests::raw_sftp::{RawSftp, Status, code, flags};
use ferryd_tests::{Server, Topology, User, both_topologies};
use serde_json::json;
use tokio::process::Command;

both_topologies!(
    sessions_that_append_to_one_file_keep_every_line,
    sessions_that_both_make_the_file_keep_every_line,
    writes_go_to_the_end_whatever_their_offset,
    with_truncation_offsets_count,
    an_append_stops_at_the_quota_in_every_mode,
    two_appenders_share_what_is_left,
    a_broken_append_to_a_new_file_ends_as_its_mode_says,
    clients_append,
);

const APPEND: u32 = flags::WRITE | flags::CREATE | flags::APPEND;
const LINES: usize = 1000;

async fn start(topology: Topology, mode: i64) -> (Server, User) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
    let alice = server.user_with("alice", json!({ "quota_size": 10_000_000 })).await;
    (server, alice)
}

fn line(session: &str, number: usize) -> String {
    format!("{session} {number} {}\n", "x".repeat(number % 50))
}

/// Appends all lines of a session at the offsets of one that knows of no other.
async fn append_lines(sftp: &mut RawSftp, session: &str) -> Result<(), Status> {
    let handle = sftp.open("/log", APPEND).await?;
    let mut offset = 0;
    for number in 0..LINES {
        let line = line(session, number);
        sftp.write(&handle, offset, line.as_bytes()).await?;
        offset += line.len() as u64;
    }
    sftp.close(&handle).await
}

/// Checks that every line of both sessions is there, whole and in the order of its session.
fn assert_lines(alice: &User, first: &str) -> usize {
    let log = String::from_utf8(alice.read("log")).unwrap();
    let rest = log.strip_prefix(first).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(rest.lines().count(), 2 * LINES);
    for session in ["A", "B"] {
        let lines = rest.split_inclusive('\n').filter(|line| line.starts_with(session));
        let expected: Vec<_> = (0..LINES).map(|number| line(session, number)).collect();
        assert!(lines.eq(expected), "lines of {session} are missing");
    }
    log.len()
}

async fn sessions_that_append_to_one_file_keep_every_line(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        let (mut a, mut b) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        a.put("/log", b"start\n").await.unwrap();
        let (a, b) = tokio::join!(append_lines(&mut a, "A"), append_lines(&mut b, "B"));
        a.and(b).unwrap();
        let size = assert_lines(&alice, "start\n");
        server.until_used(&alice, (1, size as i64)).await;
        assert_eq!(std::fs::read_dir(&alice.home).unwrap().count(), 1, "mode {mode}");
    }
}

async fn sessions_that_both_make_the_file_keep_every_line(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        let (mut a, mut b) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        let (a, b) = tokio::join!(append_lines(&mut a, "A"), append_lines(&mut b, "B"));
        a.and(b).unwrap();
        let size = assert_lines(&alice, "");
        server.until_used(&alice, (1, size as i64)).await;
        assert_eq!(std::fs::read_dir(&alice.home).unwrap().count(), 1, "mode {mode}");
    }
}

async fn writes_go_to_the_end_whatever_their_offset(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        let mut sftp = server.sftp_of(&alice).await;
        let append = flags::WRITE | flags::APPEND;
        for (offsets, open) in [([10, 12], append), ([0, 2], APPEND), ([100, u64::MAX], append)] {
            sftp.put("/file", b"0123456789").await.unwrap();
            let handle = sftp.open("/file", open).await.unwrap();
            for (offset, data) in offsets.into_iter().zip([b"AB", b"CD"]) {
                sftp.write(&handle, offset, data).await.unwrap();
            }
            assert_eq!(sftp.fstat(&handle).await.unwrap().size, Some(14));
            sftp.close(&handle).await.unwrap();
            assert_eq!(alice.read("file"), b"0123456789ABCD", "mode {mode} {offsets:?}");
        }
        // Many at once are gathered, and stay in their order.
        let handle = sftp.open("/file", append).await.unwrap();
        let (mut expected, mut ids) = (alice.read("file"), Vec::new());
        for number in 0..100_u8 {
            let data = [number; 1000];
            expected.extend(data);
            let write = ferryd_tests::wire::Fields::new().string(&handle).u64(7).string(data);
            ids.push(sftp.post(6, &write).await);
        }
        for id in ids {
            let reply = sftp.receive().await.unwrap();
            assert_eq!(reply.id(), id);
            reply.outcome().unwrap();
        }
        sftp.close(&handle).await.unwrap();
        assert!(alice.read("file") == expected, "mode {mode}");
        server.until_used(&alice, (1, expected.len() as i64)).await;
    }
}

async fn with_truncation_offsets_count(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        alice.put("file", "0123456789");
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/file", APPEND | flags::TRUNCATE).await.unwrap();
        sftp.write(&handle, 2, b"CD").await.unwrap();
        sftp.write(&handle, 0, b"AB").await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(alice.read("file"), b"ABCD", "mode {mode}");
    }
}

async fn an_append_stops_at_the_quota_in_every_mode(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
        let mut sftp = server.sftp_of(&alice).await;
        sftp.put("/log", &[b'o'; 1000]).await.unwrap();
        let handle = sftp.open("/log", APPEND).await.unwrap();
        let ids = [60_000_usize, 60_000, 30_000].map(|length| vec![b'n'; length]);
        let mut answers = Vec::new();
        for data in &ids {
            answers.push(sftp.write(&handle, 0, data).await.map_err(|status| status.code));
        }
        assert_eq!(answers, [Ok(()), Err(code::FAILURE), Ok(())], "mode {mode}");
        assert!(sftp.close(&handle).await.is_err(), "mode {mode}: the transfer is broken");
        assert_eq!(alice.read("log").len(), 91_000, "mode {mode}");
        server.until_used(&alice, (1, 91_000)).await;
    }
}

async fn two_appenders_share_what_is_left(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 100_000 })).await;
    let (mut a, mut b) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    a.put("/log", b"x").await.unwrap();
    let one = a.open("/log", APPEND).await.unwrap();
    let two = b.open("/log", APPEND).await.unwrap();
    a.write(&one, 0, &[b'a'; 20_000]).await.unwrap();
    b.write(&two, 0, &[b'b'; 20_000]).await.unwrap();
    // The end of one counts the bytes of both; the other goes on with what is left.
    a.close(&one).await.unwrap();
    server.until_used(&alice, (1, 40_001)).await;
    b.write(&two, 0, &[b'b'; 20_000]).await.unwrap();
    b.write(&two, 0, &[b'b'; 19_000]).await.unwrap();
    b.close(&two).await.unwrap();
    server.until_used(&alice, (1, 79_001)).await;
    assert_eq!(alice.read("log").len(), 79_001);
}

async fn a_broken_append_to_a_new_file_ends_as_its_mode_says(topology: Topology) {
    for (mode, left) in [(0, Some("AB")), (1, None), (2, Some("AB"))] {
        let (server, alice) = start(topology, mode).await;
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/log", APPEND).await.unwrap();
        sftp.write(&handle, 0, b"A").await.unwrap();
        sftp.write(&handle, 0, b"B").await.unwrap();
        sftp.connection().close().await;
        drop(sftp);
        let count = left.map_or(0, |left| left.len() as i64);
        ferryd_tests::until("what is left", async || {
            let names = std::fs::read_dir(&alice.home).unwrap().count();
            let done = server.connections_of("alice").await.is_empty();
            (done && names == usize::from(left.is_some())).then_some(())
        })
        .await;
        if let Some(left) = left {
            assert_eq!(alice.read("log"), left.as_bytes(), "mode {mode}");
        }
        server.until_used(&alice, (i64::from(left.is_some()), count)).await;
    }
}

async fn clients_append(topology: Topology) {
    let (server, alice) = start(topology, 1).await;
    // Two sessions of paramiko, each with its own idea of the offsets.
    alice.put("log", "start\n");
    let said = server.python("paramiko_append.py", &alice, &["/log", "50"]).await;
    said.assert_well();
    let log = String::from_utf8(alice.read("log")).unwrap();
    assert_eq!(log.lines().count(), 101, "{log}");
    assert_eq!(said.output.trim(), log.len().to_string());
    // OpenSSH goes on where the file ends.
    let local = temporary_folder("client");
    let file = local.path().join("file");
    std::fs::write(&file, "0123456789").unwrap();
    alice.put("file", "01234");
    server.sftp_batch(&alice, &[], &format!("reput {} file\n", file.display())).await.assert_well();
    assert_eq!(alice.read("file"), b"0123456789");
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        println!("skipped: curl is not installed");
        return;
    }
    let mut curl = Command::new("curl");
    let public = client_key().file.with_extension("pub");
    curl.args(["-sS", "-k", "-a", "-u", "alice:", "--key"]).arg(&client_key().file);
    curl.arg("--pubkey").arg(public).arg("-T").arg(&file);
    curl.arg(format!("sftp://{}/file", server.sftp())).env_remove("SSH_AUTH_SOCK");
    run(curl, b"").await.assert_well();
    assert_eq!(alice.read("file"), b"01234567890123456789");
}
