//! A node that is away for longer than its places are kept, and comes back with its sessions. One
//! process has no nodes that could be away.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferryd_tests::raw_sftp::RawSftp;
use ferryd_tests::wait::until_within;
use ferryd_tests::{Connection, Server, Topology};
use serde_json::json;

use super::gets_in;

/// Places are kept for 10 s.
const LAPSE: Duration = Duration::from_secs(20);
const CLOSED: &str =
    "a session is closed: its node was away for too long and others have its lease";

async fn session(node: SocketAddr) -> RawSftp {
    gets_in(node, "alice").await.unwrap().sftp().await
}

async fn place_on(node: SocketAddr) -> Connection {
    until_within(LAPSE, "a place", async || gets_in(node, "alice").await).await
}

/// Waits until a session has ended.
async fn end_of(session: &RawSftp) {
    until_within(LAPSE, "the end of a session", async || {
        session.connection().is_closed().await.then_some(())
    })
    .await;
}

/// How often a control plane has said this so far.
fn said(server: &Server, message: &str) -> usize {
    server.log_of_hooks().matches(message).count()
}

/// Waits until so many places are free because their node was not heard of.
async fn lapsed(server: &Server, places: usize) {
    until_within(LAPSE, "the end of the places", async || {
        (said(server, "a session lapsed") == places).then_some(())
    })
    .await;
}

/// Waits for the one record of a session that was closed.
async fn told(server: &Server) {
    until_within(LAPSE, "the record", async || (said(server, CLOSED) > 0).then_some(())).await;
    assert_eq!(said(server, CLOSED), 1, "{}", server.log_of_hooks());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sessions_that_come_back_as_many_stay_as_fit() {
    let mut server = Server::start(Topology::Split).await;
    let (here, away) = (server.sftp(), server.add_node().await);
    server.user_with("alice", json!({ "max_sessions": 2 })).await;
    let mut older = session(away).await;
    let newer = session(away).await;
    server.pause_node(away);
    lapsed(&server, 2).await;
    let mut between = place_on(here).await.sftp().await;
    let begin = Instant::now();
    server.resume_node(away);
    end_of(&newer).await;
    println!("closed {:?} after the node could report again", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(3), "it attaches again and is told");
    older.list("/").await.unwrap();
    between.list("/").await.unwrap();
    told(&server).await;
    for node in [here, away] {
        assert!(gets_in(node, "alice").await.is_none(), "both places are taken");
    }
    older.connection().close().await;
    let _next = place_on(away).await;
}

/// What a session was promised is known to its node: the control plane has lost it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_control_plane_closes_what_comes_back_too_late() {
    let mut server = Server::start(Topology::Split).await;
    let (here, away) = (server.sftp(), server.add_node().await);
    server.user_with("alice", json!({ "max_sessions": 1 })).await;
    let old = session(away).await;
    server.pause_node(away);
    server.lose_control();
    server.regain_control().await;
    let mut new = place_on(here).await.sftp().await;
    server.resume_node(away);
    end_of(&old).await;
    new.list("/").await.unwrap();
    told(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_was_lowered_meanwhile_closes_nothing() {
    let mut server = Server::start(Topology::Split).await;
    let away = server.add_node().await;
    let alice = server.user_with("alice", json!({ "max_sessions": 3 })).await;
    let mut sessions = [session(away).await, session(away).await];
    server.pause_node(away);
    lapsed(&server, 2).await;
    let path = format!("/api/v1/user/{}", alice.id);
    let mut account = server.call("GET", &path, "").await.1;
    account["max_sessions"] = 1.into();
    assert_eq!(server.call("PUT", &path, &account.to_string()).await.0, 200);
    server.resume_node(away);
    until_within(LAPSE, "both sessions", async || {
        (server.connections_of("alice").await.len() == 2).then_some(())
    })
    .await;
    for session in &mut sessions {
        session.list("/").await.unwrap();
    }
    assert!(gets_in(server.sftp(), "alice").await.is_none());
    assert_eq!(said(&server, CLOSED), 0);
}

/// Nobody was away but the control plane: to it all places have lapsed at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_control_plane_was_stopped_no_more_sessions_are_left_than_may_be() {
    let mut server = Server::start(Topology::Split).await;
    let nodes = [server.sftp(), server.add_node().await];
    server.user_with("alice", json!({ "max_sessions": 2 })).await;
    let old = [gets_in(nodes[0], "alice").await, gets_in(nodes[1], "alice").await];
    server.pause_control();
    server.record("sftpd", |record| record["message"] == "report refused").await;
    let tries: Vec<_> =
        (0..8).map(|number| tokio::spawn(gets_in(nodes[number % 2], "alice"))).collect();
    server.resume_control();
    let mut open: Vec<Connection> = old.into_iter().flatten().collect();
    for attempt in tries {
        open.extend(attempt.await.unwrap());
    }
    println!("{} got in", open.len() - 2);
    until_within(LAPSE, "the end of those that are too many", async || {
        let mut left = 0;
        for connection in &open {
            left += usize::from(!connection.is_closed().await);
        }
        assert!(left >= 2, "too many were closed");
        (left == 2).then_some(())
    })
    .await;
    assert!(gets_in(nodes[0], "alice").await.is_none());
}
