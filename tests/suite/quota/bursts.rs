//! Many small files in a short time, by accounts without a limit: a node of the split server tells
//! their changes together, and the counters are exact all the same.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::{RawSftp, Status};
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::json;

use super::{assert_exact, on_disk};

both_topologies!(
    many_small_files_are_counted_without_a_scan,
    bursts_of_several_sessions_fill_a_quota_to_the_last_file,
    what_was_removed_in_a_burst_makes_room_at_once,
    scans_during_bursts_leave_the_counters_exact,
    crashes_during_bursts_leave_the_counters_exact,
);

/// Below the time that an account must be quiet before it is counted anew by itself.
const BEFORE_A_RECOUNT: Duration = Duration::from_secs(2);

/// Puts, replaces, renames over and removes files, one after the other.
async fn burst(sftp: &mut RawSftp, folder: &str, files: usize) -> Result<(), Status> {
    let name = |number: usize| format!("{folder}/{number}");
    for number in 0..files {
        sftp.put(name(number), &vec![1; number % 97]).await?;
    }
    for number in (0..files).step_by(3) {
        sftp.put(name(number), &[2; 50]).await?;
    }
    for number in (1..files - 1).step_by(7) {
        sftp.posix_rename(&name(number), &name(number + 1)).await?;
    }
    for number in (0..files).step_by(5) {
        // Some were renamed.
        let _ = sftp.remove(name(number)).await;
    }
    Ok(())
}

async fn many_small_files_are_counted_without_a_scan(topology: Topology) {
    let limits = [json!({}), json!({ "quota_size": 1_i64 << 40, "quota_files": 1_000_000 })];
    for (mode, limits) in
        [0, 1, 2].into_iter().flat_map(|mode| limits.each_ref().map(|l| (mode, l)))
    {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", limits.clone()).await;
        let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        one.mkdir("/one").await.unwrap();
        two.mkdir("/two").await.unwrap();
        let both = tokio::join!(burst(&mut one, "/one", 200), burst(&mut two, "/two", 200));
        both.0.and(both.1).unwrap();
        assert!(on_disk(&alice.home).0 > 100);
        assert_exact(&server, &alice, BEFORE_A_RECOUNT).await;
        burst(&mut one, "/one", 50).await.unwrap();
        one.connection().close().await;
        assert_exact(&server, &alice, BEFORE_A_RECOUNT).await;
        assert!(!server.log_of_hooks().contains("counters are right again"), "nobody had doubts");
    }
}

/// Puts files until there is no room; returns how many.
async fn fill(sftp: &mut RawSftp, name: &str) -> i64 {
    for number in 0.. {
        if let Err(refused) = sftp.put(format!("/{name}-{number}"), &[1; 10]).await {
            assert!(refused.text.contains("quota"), "{}", refused.text);
            return number;
        }
    }
    unreachable!()
}

/// Far from the limit sessions hold more than they need, near it nobody does.
async fn bursts_of_several_sessions_fill_a_quota_to_the_last_file(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_files": 1800 })).await;
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let (mut three, mut four) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let (one, two, three, four) = tokio::join!(
        fill(&mut one, "one"),
        fill(&mut two, "two"),
        fill(&mut three, "three"),
        fill(&mut four, "four")
    );
    assert_eq!(one + two + three + four, 1800);
    assert_exact(&server, &alice, BEFORE_A_RECOUNT).await;
}

/// The limit came while a session was open that had none.
async fn what_was_removed_in_a_burst_makes_room_at_once(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut free = server.sftp_of(&alice).await;
    for number in 0..40 {
        free.put(format!("/{number}"), &[1; 10]).await.unwrap();
    }
    let mut user = server.call("GET", "/api/v1/user?username=alice", "").await.1[0].take();
    user["quota_files"] = json!(40);
    let path = format!("/api/v1/user/{}", user["id"]);
    assert_eq!(server.call("PUT", &path, &user.to_string()).await.0, 200);
    let mut limited = server.sftp_of(&alice).await;
    for number in 0..40 {
        free.remove(format!("/{number}")).await.unwrap();
        limited.put(format!("/new-{number}"), &[1; 10]).await.unwrap();
    }
    assert_exact(&server, &alice, BEFORE_A_RECOUNT).await;
}

async fn scans_during_bursts_leave_the_counters_exact(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    // Whichever node scans: the last one to report.
    server.add_node().await;
    let mut sftp = server.sftp_of(&alice).await;
    let asked = json!({ "username": "alice" }).to_string();
    for number in 0..20 {
        let folder = format!("/{number}");
        sftp.mkdir(&folder).await.unwrap();
        let scan = async { server.call("POST", "/api/v1/quota_scan", &asked).await.0 };
        let (done, scanned) = tokio::join!(burst(&mut sftp, &folder, 30), scan);
        done.unwrap();
        assert!(matches!(scanned, 201 | 409), "{scanned}");
    }
    until("the end of the scans", async || {
        (server.call("GET", "/api/v1/quota_scan", "").await.1 == json!([])).then_some(())
    })
    .await;
    assert_exact(&server, &alice, Duration::from_secs(30)).await;
}

/// One session of bursts, until the end or until its server dies.
async fn visit(address: SocketAddr, folder: String, round: u32, end: Instant) {
    let Ok(mut connection) = Connection::try_open(address).await else { return };
    if !connection.offer_key("alice", client_key()).await {
        return;
    }
    let mut sftp = connection.sftp().await;
    let _ = sftp.mkdir(&folder).await;
    let mut burst_number = 0;
    while Instant::now() < end {
        let folder = format!("{folder}/{round}-{burst_number}");
        if sftp.mkdir(&folder).await.is_err() || burst(&mut sftp, &folder, 40).await.is_err() {
            return;
        }
        burst_number += 1;
    }
}

/// A client that comes again whenever its server dies.
async fn bursts_until(address: SocketAddr, folder: String, end: Instant) {
    for round in 0.. {
        if Instant::now() > end {
            return;
        }
        // A server that dies makes a client's test code panic; that ends the visit alone.
        let _ = tokio::spawn(visit(address, folder.clone(), round, end)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn crashes_during_bursts_leave_the_counters_exact(topology: Topology) {
    for limits in [json!({}), json!({ "quota_size": 1_i64 << 40, "quota_files": 1_000_000 })] {
        let mut server = Server::start(topology).await;
        let alice = server.user_with("alice", limits).await;
        let end = Instant::now() + super::storms::seconds() / 2;
        let clients: Vec<_> = (0..3)
            .map(|number| tokio::spawn(bursts_until(server.sftp(), format!("/{number}"), end)))
            .collect();
        let nodes = [server.sftp()];
        super::storms::crash_in_turn(&mut server, &nodes, end).await;
        for client in clients {
            client.await.unwrap();
        }
        assert!(on_disk(&alice.home).0 > 10);
        assert_exact(&server, &alice, Duration::from_secs(60)).await;
    }
}
