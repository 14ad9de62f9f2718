//! Storms of clients on one account, with nodes and the control plane dying under them: afterwards
//! counters equal the disk to the byte, and what is stored never passes the limit by more than one
//! grant, at most 8 MiB.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::{RawSftp, Status, flags};
use ferryd_tests::wire::Attributes;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies};
use serde_json::json;

use super::{assert_exact, on_disk};

both_topologies!(
    counters_equal_the_disk_after_clients_that_do_everything,
    counters_equal_the_disk_after_clients_on_several_nodes,
    counters_equal_the_disk_after_crashes,
    counters_equal_the_disk_after_crashes_of_several_nodes,
);

const LIMIT: i64 = 3 << 20;
const GRANT: i64 = 8 << 20;
const CLIENTS: u64 = 8;

/// `FERRYD_TEST_QUOTA_SECONDS` (10).
pub(super) fn seconds() -> Duration {
    let text = std::env::var("FERRYD_TEST_QUOTA_SECONDS").unwrap_or_else(|_| "10".into());
    Duration::from_secs(text.parse().unwrap())
}

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }

    fn name(&mut self) -> String {
        format!("/file-{}", self.below(6))
    }
}

async fn write_some(
    sftp: &mut RawSftp,
    dice: &mut Dice,
    handle: &[u8],
    from: u64,
) -> Result<(), Status> {
    for piece in 0..dice.below(24) {
        sftp.write(handle, from + piece * 32_768, &[7; 32_768]).await?;
    }
    sftp.write(handle, from + dice.below(60_000), &vec![1; dice.below(5000) as usize]).await
}

/// One thing that a client does; refusals are part of it.
async fn act(sftp: &mut RawSftp, dice: &mut Dice) -> Result<(), Status> {
    let name = dice.name();
    match dice.below(8) {
        0..=2 => {
            let handle = sftp.open(&name, flags::PUT).await?;
            let written = write_some(sftp, dice, &handle, 0).await;
            sftp.close(&handle).await.and(written)
        }
        3 => {
            let handle = sftp.open(&name, flags::WRITE | flags::CREATE).await?;
            let written = write_some(sftp, dice, &handle, 10_000).await;
            sftp.close(&handle).await.and(written)
        }
        4 => {
            let size = sftp.stat(&name).await?.size.unwrap();
            let handle = sftp.open(&name, flags::WRITE | flags::APPEND).await?;
            let written = write_some(sftp, dice, &handle, size).await;
            sftp.close(&handle).await.and(written)
        }
        5 => {
            let size = Some(dice.below(100_000));
            sftp.set(&name, Attributes { size, ..Attributes::default() }).await
        }
        6 => sftp.rename(&name, &dice.name()).await,
        _ => sftp.remove(&name).await,
    }
}

/// One session of a client: some things, then a goodbye or a cut in the middle of an upload.
async fn visit(address: SocketAddr, seed: u64, end: Instant) -> bool {
    let mut dice = Dice(seed);
    let Ok(mut connection) = Connection::try_open(address).await else { return false };
    if !connection.offer_key("alice", client_key()).await {
        return false;
    }
    let mut sftp = connection.sftp().await;
    for _ in 0..20 + dice.below(40) {
        if Instant::now() > end {
            break;
        }
        let _ = act(&mut sftp, &mut dice).await;
    }
    if dice.below(2) == 0
        && let Ok(handle) = sftp.open(dice.name(), flags::PUT).await
    {
        let _ = write_some(&mut sftp, &mut dice, &handle, 0).await;
    }
    connection.close().await;
    true
}

/// Lets clients loose until the end, spread over the nodes; returns how many sessions went through.
fn let_loose(nodes: &[SocketAddr], end: Instant) -> Vec<tokio::task::JoinHandle<u64>> {
    let client = move |number: u64, address: SocketAddr| async move {
        let (mut round, mut done) = (0, 0);
        while Instant::now() < end {
            round += 1;
            let seed = number * 1_000_003 + round;
            // A server that dies makes a client's test code panic; that ends the visit alone.
            let visited = tokio::spawn(visit(address, seed, end)).await;
            done += u64::from(visited.unwrap_or(false));
            if round > done {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        done
    };
    let nodes = nodes.iter().copied().cycle();
    (0..CLIENTS).zip(nodes).map(|(number, node)| tokio::spawn(client(number, node))).collect()
}

async fn count_all(clients: Vec<tokio::task::JoinHandle<u64>>) -> u64 {
    let mut visits = 0;
    for client in clients {
        visits += client.await.unwrap();
    }
    visits
}

/// Looks all the time how much is stored below a folder.
struct Watch {
    most: Arc<AtomicI64>,
    task: tokio::task::JoinHandle<()>,
}

fn watch(home: &Path) -> Watch {
    let (home, most) = (home.to_owned(), Arc::new(AtomicI64::new(0)));
    let seen = Arc::clone(&most);
    let task = tokio::spawn(async move {
        loop {
            seen.fetch_max(on_disk(&home).1, Ordering::AcqRel);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    Watch { most, task }
}

impl Watch {
    /// Returns the most that was seen, temporary files included.
    fn end(self) -> i64 {
        self.task.abort();
        self.most.load(Ordering::Acquire)
    }
}

/// Lets the clients loose on nodes; what is stored never passes the limit by more than a grant.
async fn storm(nodes: &[SocketAddr], user: &User, mode: u8) {
    let end = Instant::now() + seconds() / 3;
    let most = watch(&user.home);
    let clients = let_loose(nodes, end);
    let visits = count_all(clients).await;
    let most = most.end();
    println!("mode {mode}: {visits} sessions, at most {most} bytes of {LIMIT} on the disk");
    assert!(visits > 0);
    assert!(most <= LIMIT + GRANT, "{most}");
}

async fn counters_equal_the_disk_after_clients_that_do_everything(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
        storm(&[server.sftp()], &alice, mode).await;
        assert_exact(&server, &alice, Duration::from_secs(10)).await;
    }
}

/// What two nodes change at once is counted anew by itself when the account is quiet.
async fn counters_equal_the_disk_after_clients_on_several_nodes(topology: Topology) {
    for mode in [0, 1, 2] {
        let mut server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let nodes = [server.sftp(), server.add_node().await, server.add_node().await];
        let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
        storm(&nodes, &alice, mode).await;
        assert_exact(&server, &alice, Duration::from_secs(60)).await;
    }
}

async fn counters_equal_the_disk_after_crashes(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
    let end = Instant::now() + seconds();
    let most = watch(&alice.home);
    let clients = let_loose(&[server.sftp()], end);
    let mut crashes = 0;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        crashes += 1;
        if topology == Topology::Split && crashes % 2 == 0 {
            server.lose_control();
            server.regain_control().await;
        } else {
            server.kill();
            server.revive().await;
        }
    }
    let visits = count_all(clients).await;
    let most = most.end();
    println!("{visits} sessions, {crashes} crashes, at most {most} of {LIMIT}");
    assert!(most > 0 && most <= LIMIT + GRANT, "{most}");
    assert_exact(&server, &alice, Duration::from_secs(60)).await;
    // And they stay right.
    server.sftp_of(&alice).await.put("/file-0", &[1; 100]).await.unwrap_or_default();
    assert_exact(&server, &alice, Duration::from_secs(20)).await;
}

/// Ends one process after the other and starts it again, until the end; returns how many.
pub(super) async fn crash_in_turn(
    server: &mut Server,
    nodes: &[SocketAddr],
    end: Instant,
) -> usize {
    let mut crashes = 0;
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let victim = crashes % (nodes.len() + 1);
        crashes += 1;
        if server.topology() == Topology::Single || victim == 0 {
            server.kill();
            server.revive().await;
        } else if victim == nodes.len() {
            server.lose_control();
            server.regain_control().await;
        } else {
            server.kill_node(nodes[victim]);
            server.revive_node(nodes[victim]).await;
        }
    }
    crashes
}

async fn counters_equal_the_disk_after_crashes_of_several_nodes(topology: Topology) {
    for mode in [0, 1, 2] {
        let mut server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let nodes = [server.sftp(), server.add_node().await, server.add_node().await];
        let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
        let end = Instant::now() + seconds() / 3;
        let most = watch(&alice.home);
        let clients = let_loose(&nodes, end);
        let crashes = crash_in_turn(&mut server, &nodes, end).await;
        let visits = count_all(clients).await;
        let most = most.end();
        println!("mode {mode}: {visits} sessions, {crashes} crashes, at most {most} of {LIMIT}");
        assert!(most > 0 && most <= LIMIT + GRANT, "{most}");
        assert_exact(&server, &alice, Duration::from_secs(60)).await;
    }
}
