//! Limits that hold over all nodes, and what becomes of sessions when a node or the control plane
//! dies. In one process the same holds over its threads.

mod absence;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::wait::until_within;
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::json;
use tokio::sync::{Barrier, mpsc};

both_topologies!(
    of_fifty_logins_at_once_as_many_get_in_as_may,
    a_login_without_a_channel_holds_a_place,
    a_connection_is_closed_through_the_node_that_has_it,
);

const AT_ONCE: usize = 50;

/// `FERRYD_TEST_ROUNDS` (5).
fn rounds() -> usize {
    std::env::var("FERRYD_TEST_ROUNDS").map_or(5, |text| text.parse().unwrap())
}

async fn three_nodes(server: &mut Server) -> Vec<SocketAddr> {
    vec![server.sftp(), server.add_node().await, server.add_node().await]
}

async fn gets_in(address: SocketAddr, name: &str) -> Option<Connection> {
    let mut connection = Connection::try_open(address).await.ok()?;
    connection.offer_key(name, client_key()).await.then_some(connection)
}

async fn of_fifty_logins_at_once_as_many_get_in_as_may(topology: Topology) {
    let mut server = Server::start(topology).await;
    let nodes = three_nodes(&mut server).await;
    for round in 0..rounds() {
        let name = format!("user-{round}");
        server.user_with(&name, json!({ "max_sessions": 2 })).await;
        let ready = Arc::new(Barrier::new(AT_ONCE));
        let mut tries = Vec::new();
        for number in 0..AT_ONCE {
            let (node, ready, name) = (nodes[number % 3], Arc::clone(&ready), name.clone());
            tries.push(tokio::spawn(async move {
                let mut connection = Connection::open(node).await;
                ready.wait().await;
                connection.offer_key(&name, client_key()).await.then_some(connection)
            }));
        }
        let mut inside = Vec::new();
        for attempt in tries {
            inside.extend(attempt.await.unwrap());
        }
        assert_eq!(inside.len(), 2, "round {round}");
    }
}

async fn a_login_without_a_channel_holds_a_place(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "max_sessions": 1 })).await;
    let first = server.login(&alice).await;
    assert!(gets_in(server.sftp(), "alice").await.is_none());
    first.close().await;
    until("the place", async || gets_in(server.sftp(), "alice").await).await;
}

async fn a_connection_is_closed_through_the_node_that_has_it(topology: Topology) {
    let mut server = Server::start(topology).await;
    let nodes = three_nodes(&mut server).await;
    server.user("alice").await;
    let mut sessions = Vec::new();
    for node in nodes {
        sessions.push(gets_in(node, "alice").await.unwrap().sftp().await);
    }
    let listed = until("three sessions", async || {
        let listed = server.connections_of("alice").await;
        (listed.len() == 3).then_some(listed)
    })
    .await;
    for entry in listed {
        let begin = Instant::now();
        server.rest().close_connection(&entry.connection_id).await.unwrap();
        until("the end of one session", async || {
            let open = server.connections_of("alice").await;
            open.iter().all(|other| other.connection_id != entry.connection_id).then_some(())
        })
        .await;
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }
    until("the end of all", async || {
        for sftp in &sessions {
            if !sftp.connection().is_closed().await {
                return None;
            }
        }
        Some(())
    })
    .await;
}

mod split_only {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_node_that_is_killed_frees_its_sessions() {
        let mut server = Server::start(Topology::Split).await;
        let nodes = three_nodes(&mut server).await;
        server.user_with("alice", json!({ "max_sessions": 2 })).await;
        let _first = gets_in(nodes[1], "alice").await.unwrap();
        let _second = gets_in(nodes[1], "alice").await.unwrap();
        assert!(gets_in(nodes[2], "alice").await.is_none());
        server.kill_node(nodes[1]);
        let begin = Instant::now();
        until_within(Duration::from_secs(13), "a place", async || gets_in(nodes[2], "alice").await)
            .await;
        println!("free after {:?}", begin.elapsed());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restarted_control_plane_finds_the_sessions_of_living_nodes() {
        let mut server = Server::start(Topology::Split).await;
        let nodes = three_nodes(&mut server).await;
        server.user_with("alice", json!({ "max_sessions": 2 })).await;
        let mut first = gets_in(nodes[0], "alice").await.unwrap().sftp().await;
        let mut second = gets_in(nodes[2], "alice").await.unwrap().sftp().await;
        server.lose_control();
        server.regain_control().await;
        until_within(Duration::from_secs(20), "both sessions", async || {
            (server.connections_of("alice").await.len() == 2).then_some(())
        })
        .await;
        for node in nodes {
            assert!(gets_in(node, "alice").await.is_none(), "the limit still holds");
        }
        first.list("/").await.unwrap();
        second.list("/").await.unwrap();
    }

    /// How often a node has attached so far.
    fn attachments(server: &Server) -> usize {
        let log = std::fs::read_to_string(server.folder().join("control-api.log")).unwrap();
        log.matches("a node is attached").count()
    }

    /// Tries to get in without pause until told to stop; returns how often it was tried.
    async fn try_all_the_time(
        node: SocketAddr,
        stop: Arc<AtomicBool>,
        inside: mpsc::Sender<Connection>,
    ) -> usize {
        let mut tries = 0;
        while !stop.load(Ordering::Acquire) {
            tries += 1;
            if let Some(connection) = gets_in(node, "alice").await {
                let _ = inside.send(connection).await;
            }
        }
        tries
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_restarted_control_plane_gives_away_no_place_that_is_taken() {
        let mut server = Server::start(Topology::Split).await;
        let nodes = [server.sftp(), server.add_node().await];
        server.user_with("alice", json!({ "max_sessions": 2 })).await;
        let first = gets_in(nodes[0], "alice").await.unwrap();
        let _second = gets_in(nodes[1], "alice").await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (winners, mut inside) = mpsc::channel(64);
        let tries: Vec<_> = (0..6)
            .map(|number| {
                let (stop, winners) = (Arc::clone(&stop), winners.clone());
                tokio::spawn(try_all_the_time(nodes[number % 2], stop, winners))
            })
            .collect();
        for _ in 0..rounds() {
            let before = attachments(&server);
            server.lose_control();
            server.regain_control().await;
            until_within(Duration::from_secs(20), "both nodes", async || {
                (attachments(&server) >= before + 2).then_some(())
            })
            .await;
            assert!(inside.try_recv().is_err(), "a place was given away that is taken");
        }
        first.close().await;
        let third = until("the place that is free", async || inside.try_recv().ok()).await;
        stop.store(true, Ordering::Release);
        let mut all = 0;
        for attempts in tries {
            all += attempts.await.unwrap();
        }
        assert!(inside.try_recv().is_err(), "only one place was free");
        println!("{all} logins tried");
        drop(third);
    }
}
