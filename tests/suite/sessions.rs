//! Who is connected: the list, its end by an administrator, and new keys in the middle.

use std::time::{Duration, Instant};

use ferryd_domain::FaultKind;
use ferryd_tests::files::{checksum, write_pattern};
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wait::{until, until_within};
use ferryd_tests::wire::Fields;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    a_session_is_listed_from_its_first_channel_to_its_last,
    a_running_transfer_is_listed_with_its_bytes,
    an_administrator_closes_a_session_within_a_second,
    a_closed_session_breaks_its_upload,
    a_session_with_running_transfers_is_closed_within_a_second,
    keys_are_renewed_in_the_middle_of_transfers,
    an_idle_session_is_not_in_the_way_of_others,
    the_end_of_the_server_does_not_wait_for_idle_sessions,
);

async fn a_session_is_listed_from_its_first_channel_to_its_last(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let connection = server.login(&alice).await;
    let (mut first, second) = (connection.sftp().await, connection.sftp().await);
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    assert_eq!(listed.protocol, "SFTP");
    assert!(listed.client_version.starts_with("SSH-2.0-"), "{listed:?}");
    assert!(listed.remote_address.starts_with("127.0.0.1:"), "{listed:?}");
    assert!(listed.connection_time > 1_600_000_000_000, "{listed:?}");
    assert!(listed.active_transfers.is_empty() && listed.ssh_command.is_empty());
    assert_eq!(server.connections_of("alice").await.len(), 1, "one SSH connection, one entry");
    drop(second);
    first.list("/").await.unwrap();
    assert_eq!(server.connections_of("alice").await.len(), 1);
    connection.close().await;
    until("the end of the session", async || {
        server.connections_of("alice").await.is_empty().then_some(())
    })
    .await;
    assert_eq!(server.metric("sftpgo_active_connections").await, Some(0.0));
}

async fn a_running_transfer_is_listed_with_its_bytes(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", [7; 5000]);
    let mut sftp = server.sftp_of(&alice).await;
    let up = sftp.open("/d/../up", flags::PUT).await.unwrap();
    sftp.write(&up, 0, &[1; 3000]).await.unwrap();
    let down = sftp.open("/file", flags::READ).await.unwrap();
    sftp.read(&down, 0, 1000).await.unwrap();
    until("two transfers", async || {
        let transfers = server.connections_of("alice").await.pop()?.active_transfers;
        let size = |kind: &str, path: &str| {
            let fits = |t: &&ferryd_rest::Transfer| t.operation_type == kind && t.path == path;
            transfers.iter().find(fits).map(|transfer| transfer.size)
        };
        (size("upload", "/up")? == 3000 && size("download", "/file")? == 1000).then_some(())
    })
    .await;
    sftp.close(&up).await.unwrap();
    sftp.close(&down).await.unwrap();
    until("the end of the transfers", async || {
        server.connections_of("alice").await.pop()?.active_transfers.is_empty().then_some(())
    })
    .await;
}

async fn an_administrator_closes_a_session_within_a_second(topology: Topology) {
    let server = Server::start(topology).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut closed = server.sftp_of(&alice).await;
    let mut other = server.sftp_of(&bob).await;
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    let begin = Instant::now();
    let answer = server.rest().close_connection(&listed.connection_id).await.unwrap();
    assert_eq!(answer.message, "Connection closed");
    assert!(closed.receive().await.is_none());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    other.list("/").await.unwrap();
    until("the entry to go", async || {
        server.connections_of("alice").await.is_empty().then_some(())
    })
    .await;
    for id in [&*listed.connection_id, "nothing", "%00"] {
        let fault = server.rest().close_connection(id).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::NotFound, "{id}");
    }
}

async fn a_closed_session_breaks_its_upload(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": 1 } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, b"half").await.unwrap();
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    server.rest().close_connection(&listed.connection_id).await.unwrap();
    until("the temporary file to go", async || {
        (std::fs::read_dir(&alice.home).unwrap().count() == 0).then_some(())
    })
    .await;
}

async fn a_session_with_running_transfers_is_closed_within_a_second(topology: Topology) {
    let server = Server::start(topology).await;
    // A few bytes a second, so that much is on its way at any time.
    let slow = json!({ "upload_bandwidth": 16, "download_bandwidth": 16 });
    let alice = server.user_with("alice", slow).await;
    std::fs::File::create(alice.path("down")).unwrap().set_len(1 << 30).unwrap();
    for (path, open) in [("/down", flags::READ), ("/up", flags::PUT)] {
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open(path, open).await.unwrap();
        for number in 0..32_u64 {
            let fields = Fields::new().string(&handle).u64(number * 32_768);
            match open {
                flags::READ => sftp.post(5, &fields.u32(32_768)).await,
                _ => sftp.post(6, &fields.string([7; 32_768])).await,
            };
        }
        let listed = until("the transfer", async || {
            let listed = server.connections_of("alice").await.pop()?;
            let moved = listed.active_transfers.first()?.size > 0;
            moved.then_some(listed)
        })
        .await;
        let begin = Instant::now();
        server.rest().close_connection(&listed.connection_id).await.unwrap();
        while sftp.receive().await.is_some() {}
        until("the entry to go", async || {
            server.connections_of("alice").await.is_empty().then_some(())
        })
        .await;
        assert!(begin.elapsed() < Duration::from_secs(2), "{path}: {:?}", begin.elapsed());
    }
}

async fn keys_are_renewed_in_the_middle_of_transfers(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = ferryd_tests::files::temporary_folder("client");
    let original = local.path().join("original");
    write_pattern(&original, 24 << 20);
    let back = local.path().join("back");
    let batch = format!("put {} /big\nget /big {}\n", original.display(), back.display());
    let options = ["-o", "RekeyLimit=1M", "-R", "64"];
    server.sftp_batch(&alice, &options, &batch).await.assert_well();
    assert_eq!(checksum(&back), checksum(&original));
}

async fn an_idle_session_is_not_in_the_way_of_others(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(server.sftp_of(&alice).await);
    }
    until("all sessions", async || {
        (server.connections_of("alice").await.len() == 100).then_some(())
    })
    .await;
    for sftp in &mut idle {
        sftp.put("/file", b"content").await.unwrap();
    }
    assert!(server.resident() < 200 << 20, "{} bytes", server.resident());
}

async fn the_end_of_the_server_does_not_wait_for_idle_sessions(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.list("/").await.unwrap();
    let begin = Instant::now();
    let stopping = std::thread::spawn(move || drop(server));
    assert!(sftp.receive().await.is_none());
    until_within(Duration::from_secs(15), "the end of the processes", async || {
        stopping.is_finished().then_some(())
    })
    .await;
    stopping.join().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}
