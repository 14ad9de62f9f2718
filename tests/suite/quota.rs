//! Quota is exact: counters equal the disk to the byte, whatever clients do and whoever dies.
//! Stored bytes never pass a limit; what a transfer holds back from others is one grant, at most
//! 8 MiB.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::{RawSftp, Status, code, flags};
use ferryd_tests::wait::until_within;
use ferryd_tests::wire::Attributes;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies, until};
use serde_json::json;

both_topologies!(
    counters_equal_the_disk_after_clients_that_do_everything,
    counters_equal_the_disk_after_clients_on_several_nodes,
    counters_equal_the_disk_after_crashes,
    counters_equal_the_disk_after_crashes_of_several_nodes,
    a_running_upload_is_stopped_by_the_quota_in_every_mode,
    concurrent_uploads_share_what_is_left,
    a_rename_over_a_file_subtracts_the_replaced_one,
    opening_without_truncation_counts_the_difference,
    rewritten_ranges_count_once,
    uploads_of_one_new_file_at_once_count_it_once,
    a_file_that_is_removed_while_it_is_uploaded_counts_nothing,
    a_broken_upload_counts_what_stays,
    nothing_is_counted_without_tracking,
    only_users_with_a_limit_are_counted_in_mode_2,
    a_size_that_is_set_is_accounted,
);

const LIMIT: i64 = 3 << 20;
const GRANT: i64 = 8 << 20;
const CLIENTS: u64 = 8;

/// `FERRYD_TEST_QUOTA_SECONDS` (10).
fn seconds() -> Duration {
    let text = std::env::var("FERRYD_TEST_QUOTA_SECONDS").unwrap_or_else(|_| "10".into());
    Duration::from_secs(text.parse().unwrap())
}

async fn counts(server: &Server, user: &User) -> (i64, i64) {
    let user = server.call("GET", &format!("/api/v1/user/{}", user.id), "").await.1;
    (user["used_quota_files"].as_i64().unwrap(), user["used_quota_size"].as_i64().unwrap())
}

async fn assert_counts(server: &Server, user: &User, expected: (i64, i64)) {
    until(&format!("counts of {expected:?}"), async || {
        (counts(server, user).await == expected).then_some(())
    })
    .await;
}

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
        let (counted, stored) = (counts(server, user).await, on_disk(&user.home));
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

/// Lets the clients loose on nodes; what is stored never passes the limit by more than a grant.
async fn storm(nodes: &[SocketAddr], user: &User, mode: u8) {
    let end = Instant::now() + seconds() / 3;
    let clients = let_loose(nodes, end);
    let mut most = 0;
    while Instant::now() < end {
        most = most.max(on_disk(&user.home).1);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let visits = count_all(clients).await;
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
    println!("{visits} sessions, {crashes} crashes");
    assert_exact(&server, &alice, Duration::from_secs(60)).await;
    // And they stay right.
    server.sftp_of(&alice).await.put("/file-0", &[1; 100]).await.unwrap_or_default();
    assert_exact(&server, &alice, Duration::from_secs(20)).await;
}

/// Ends one process after the other and starts it again, until the end; returns how many.
async fn crash_in_turn(server: &mut Server, nodes: &[SocketAddr], end: Instant) -> usize {
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

/// Looks all the time how much is stored, until it is dropped.
fn watch(home: &Path) -> (tokio::task::JoinHandle<()>, Arc<AtomicI64>) {
    let (home, most) = (home.to_owned(), Arc::new(AtomicI64::new(0)));
    let seen = Arc::clone(&most);
    let watching = tokio::spawn(async move {
        loop {
            seen.fetch_max(on_disk(&home).1, Ordering::AcqRel);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    (watching, most)
}

async fn counters_equal_the_disk_after_crashes_of_several_nodes(topology: Topology) {
    for mode in [0, 1, 2] {
        let mut server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let nodes = [server.sftp(), server.add_node().await, server.add_node().await];
        let alice = server.user_with("alice", json!({ "quota_size": LIMIT })).await;
        let end = Instant::now() + seconds() / 3;
        let (watching, most) = watch(&alice.home);
        let clients = let_loose(&nodes, end);
        let crashes = crash_in_turn(&mut server, &nodes, end).await;
        let visits = count_all(clients).await;
        watching.abort();
        let most = most.load(Ordering::Acquire);
        println!("mode {mode}: {visits} sessions, {crashes} crashes, at most {most} of {LIMIT}");
        assert!(visits > 0);
        assert!(most <= LIMIT + GRANT, "{most}");
        assert_exact(&server, &alice, Duration::from_secs(60)).await;
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
    assert_counts(&server, &alice, (1, 0)).await;
}

async fn a_rename_over_a_file_subtracts_the_replaced_one(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", &[0; 1000]).await.unwrap();
    sftp.put("/b", &[0; 300]).await.unwrap();
    sftp.rename("/b", "/a").await.unwrap();
    assert_counts(&server, &alice, (1, 300)).await;
    sftp.put("/b", &[0; 50]).await.unwrap();
    sftp.posix_rename("/b", "/a").await.unwrap();
    assert_counts(&server, &alice, (1, 50)).await;
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
        assert_counts(&server, &alice, (1, 1100)).await;
    }
}

async fn rewritten_ranges_count_once(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 1000 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/a", flags::PUT).await.unwrap();
    for _ in 0..10 {
        sftp.write(&handle, 0, &[1; 900]).await.unwrap();
    }
    sftp.close(&handle).await.unwrap();
    assert_counts(&server, &alice, (1, 900)).await;
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
    assert_counts(&server, &alice, (0, 0)).await;
    two.put("/other", &[1; 10]).await.unwrap();
    assert_counts(&server, &alice, (1, 10)).await;
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
        assert_counts(&server, &alice, kept).await;
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
    assert_eq!(counts(&server, &alice).await, (0, 0));
}

async fn only_users_with_a_limit_are_counted_in_mode_2(topology: Topology) {
    let config = json!({ "data_provider": { "track_quota": 2 } });
    let server = Server::with(topology, config).await;
    let free = server.user("free").await;
    let limited = server.user_with("limited", json!({ "quota_files": 5 })).await;
    server.sftp_of(&free).await.put("/one", &[1; 100]).await.unwrap();
    server.sftp_of(&limited).await.put("/one", &[1; 100]).await.unwrap();
    assert_counts(&server, &limited, (1, 100)).await;
    assert_eq!(counts(&server, &free).await, (0, 0));
}

async fn a_size_that_is_set_is_accounted(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "quota_size": 1000 })).await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", &[0; 100]).await.unwrap();
    let size = |size| Attributes { size: Some(size), ..Attributes::default() };
    sftp.set("/a", size(600)).await.unwrap();
    assert_counts(&server, &alice, (1, 600)).await;
    let refused = sftp.set("/a", size(1001)).await.unwrap_err();
    assert!(refused.text.contains("quota"), "{}", refused.text);
    sftp.set("/a", size(1)).await.unwrap();
    assert_counts(&server, &alice, (1, 1)).await;
    until_within(Duration::from_secs(5), "the disk", async || {
        (on_disk(&alice.home) == (1, 1)).then_some(())
    })
    .await;
}
