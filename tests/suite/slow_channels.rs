//! A channel that is slow, by a limit of its account or by its storage, beside the rest of its
//! connection: keepalives, other channels, the end.

use std::time::{Duration, Instant};

use ferryd_tests::files::{temporary_folder, write_pattern};
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wire::Fields;
use ferryd_tests::{Connection, RawSftp, Server, Topology, User, both_topologies, until};
use serde_json::json;

use crate::stall::slow_folder::SlowFolder;

both_topologies!(
    a_client_that_asks_for_signs_of_life_ends_a_slow_upload_well,
    other_channels_are_served_beside_a_slow_upload,
    other_channels_are_served_beside_a_storage_that_hangs,
    the_end_of_a_client_is_noticed_during_its_slow_upload,
);

/// What waits in a slow channel: more than a minute of it at [`RATE`].
const SENT: u64 = 8 << 20;
/// KB a second.
const RATE: u32 = 64;
/// Far less than it would take for the slow channel to come down.
const SOON: Duration = Duration::from_secs(10);

async fn connection_of(server: &Server, user: &User) -> Connection {
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.offer_key(&user.name, ferryd_tests::keys::client_key()).await);
    connection
}

/// Sends the WRITEs of a file without waiting for answers.
async fn send_file(sftp: &mut RawSftp, handle: &[u8]) {
    let data = [7; 32_768];
    for at in (0..SENT).step_by(data.len()) {
        sftp.post(6, &Fields::new().string(handle).u64(at).string(data)).await;
    }
}

async fn assert_served(sftp: &mut RawSftp) {
    for _ in 0..3 {
        let asked = Instant::now();
        sftp.lstat("/small").await.unwrap();
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    }
}

/// OpenSSH gives up when two keepalives in a row stay unanswered for a second each.
async fn a_client_that_asks_for_signs_of_life_ends_a_slow_upload_well(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "upload_bandwidth": 2 * RATE })).await;
    let local = temporary_folder("client");
    let file = local.path().join("file");
    write_pattern(&file, 2 << 20);
    let options = ["-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=2"];
    let batch = format!("put {} /file\n", file.display());
    server.sftp_batch(&alice, &options, &batch).await.assert_well();
    assert!(alice.read("file") == std::fs::read(&file).unwrap());
}

async fn other_channels_are_served_beside_a_slow_upload(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "upload_bandwidth": RATE })).await;
    alice.put("small", "content");
    let connection = connection_of(&server, &alice).await;
    let (mut slow, mut other) = (connection.sftp().await, connection.sftp().await);
    let handle = slow.open("/file", flags::PUT).await.unwrap();
    send_file(&mut slow, &handle).await;
    assert_served(&mut other).await;
    let mut third = connection.sftp().await;
    assert_served(&mut third).await;
    // What was sent is stored all the same, at its rate.
    let stored = || std::fs::metadata(alice.path("file")).map_or(0, |file| file.len());
    let before = stored();
    until("more of the file", async || (stored() > before).then_some(())).await;
}

async fn other_channels_are_served_beside_a_storage_that_hangs(topology: Topology) {
    let server = Server::start(topology).await;
    let mapped = server.home_of("mapped");
    let Some(folder) = SlowFolder::mount(&mapped) else { return };
    let folders = json!([{ "virtual_path": "/slow", "mapped_path": mapped }]);
    let alice = server.user_with("alice", json!({ "virtual_folders": folders })).await;
    alice.put("small", "content");
    let connection = connection_of(&server, &alice).await;
    let (mut slow, mut other) = (connection.sftp().await, connection.sftp().await);
    let handle = slow.open("/slow/file", flags::PUT).await.unwrap();
    folder.stall();
    send_file(&mut slow, &handle).await;
    until("a call that waits", async || folder.holds_a_call().then_some(())).await;
    assert_served(&mut other).await;
    folder.release();
    for _ in (0..SENT).step_by(32_768) {
        slow.receive().await.unwrap().outcome().unwrap();
    }
}

async fn the_end_of_a_client_is_noticed_during_its_slow_upload(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "upload_bandwidth": RATE })).await;
    let connection = connection_of(&server, &alice).await;
    let mut slow = connection.sftp().await;
    let handle = slow.open("/file", flags::PUT).await.unwrap();
    send_file(&mut slow, &handle).await;
    assert_eq!(server.connections_of("alice").await.len(), 1);
    let gone = Instant::now();
    connection.close().await;
    until("the end of the session", async || {
        server.connections_of("alice").await.is_empty().then_some(())
    })
    .await;
    assert!(gone.elapsed() < SOON, "{:?}", gone.elapsed());
}
