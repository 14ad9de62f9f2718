//! Clients that are dead: their system acknowledges nothing. Silent ones are not dead.

use std::net::SocketAddr;

use ferryd_tests::{Server, Topology, both_topologies, until};

both_topologies!(a_silent_connection_is_probed_by_the_system);

/// Returns the running timer of each established connection at this port: 2 probes a silent peer
/// (proc(5), `/proc/net/tcp`).
fn timers(server: SocketAddr) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{:04X}", server.port());
    let rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.len() > 5 && row[1].ends_with(&local) && row[3] == "01")
        .map(|row| row[5][..2].to_owned())
        .collect()
}

async fn a_silent_connection_is_probed_by_the_system(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.lstat("/").await.unwrap();
    until("the timer of the probes", async || (timers(server.sftp()) == ["02"]).then_some(()))
        .await;
}
