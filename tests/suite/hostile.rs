//! Clients that break rules. Whatever they send, others are served, memory stays bounded and no
//! process ends.

use std::time::Duration;

use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::{Fields, packet};
use ferryd_tests::{RawSftp, Server, Topology, User, both_topologies};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

both_topologies!(
    unknown_packet_types_are_answered_as_unsupported,
    a_packet_of_no_length_ends_at_most_its_session,
    a_giant_length_closes_the_session_at_once,
    random_bytes_end_at_most_their_session,
    truncated_packets_are_refused,
    lengths_inside_a_packet_may_lie,
    a_request_before_the_first_packet_is_refused,
    ten_thousand_handles_are_too_many_or_all_work,
    handles_of_another_session_are_refused,
    hostile_paths_are_answered_in_order,
    a_client_that_never_reads_is_held_back,
    half_a_packet_disturbs_nobody,
    a_thousand_silent_connections_cost_little,
    bytes_that_are_not_ssh_end_the_connection,
    a_fifo_cannot_be_opened,
    attributes_with_all_flags_are_survived,
);

const MIB: u64 = 1 << 20;

async fn assert_served(server: &mut Server, user: &User) {
    server.assert_running();
    let mut sftp = server.sftp_of(user).await;
    sftp.put("/served", b"yes").await.unwrap();
    assert_eq!(sftp.get("/served").await.unwrap(), b"yes");
    sftp.remove("/served").await.unwrap();
}

/// Either the channel ends or the server answers with one of these codes.
async fn assert_refused(sftp: &mut RawSftp, codes: &[u32]) {
    if let Some(reply) = sftp.receive().await {
        let status = reply.outcome().unwrap_err();
        assert!(codes.contains(&status.code), "{status:?}");
    }
}

async fn unknown_packet_types_are_answered_as_unsupported(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    for kind in [0, 2, 21, 50, 99, 101, 105, 150, 199, 201, 255] {
        let refused = sftp.request(kind, Fields::new().string("/x")).await.unwrap_err();
        assert_eq!(refused.code, code::UNSUPPORTED, "{kind}");
    }
    sftp.list("/").await.unwrap();
    let unknown = Fields::new().string("unknown@example.com").string("/x");
    assert_eq!(sftp.request(200, unknown).await.unwrap_err().code, code::UNSUPPORTED);
    assert_served(&mut server, &alice).await;
}

async fn a_packet_of_no_length_ends_at_most_its_session(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.send(&[0; 4]).await;
    sftp.finish().await;
    assert_refused(&mut sftp, &[code::BAD_MESSAGE]).await;
    assert_served(&mut server, &alice).await;
}

async fn a_giant_length_closes_the_session_at_once(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for length in [u32::MAX, 1 << 31, 300_000_000, 2 << 20] {
        let mut sftp = server.sftp_of(&alice).await;
        sftp.send(&Fields::new().u32(length).bytes(&[3]).0).await;
        while let Some(reply) = sftp.receive().await {
            assert_eq!(reply.outcome().unwrap_err().code, code::BAD_MESSAGE);
        }
    }
    assert!(server.resident() < 200 * MIB);
    assert_served(&mut server, &alice).await;
}

async fn random_bytes_end_at_most_their_session(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    for _ in 0..40 {
        let mut sftp = server.sftp_of(&alice).await;
        let mut bytes = Vec::new();
        for _ in 0..256 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        // Half of them look like packets at first sight.
        if state & 1 == 0 {
            bytes.splice(..5, Fields::new().u32(200).bytes(&[(state >> 8) as u8 % 22]).0);
        }
        let _ = sftp.try_send(&bytes).await;
        sftp.finish().await;
        while sftp.receive().await.is_some() {}
    }
    assert_served(&mut server, &alice).await;
}

async fn truncated_packets_are_refused(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for kind in (3..=20).chain([200]) {
        for length in [0, 1, 3, 4, 5, 7, 8, 11] {
            let mut sftp = server.sftp_of(&alice).await;
            // The last field promises more than the packet holds.
            let fields = Fields::new().u32(7).u32(1000).bytes(&[0; 8]);
            sftp.send(&packet(kind, &fields.0[..length])).await;
            sftp.finish().await;
            assert_refused(&mut sftp, &[code::BAD_MESSAGE, code::FAILURE, code::UNSUPPORTED]).await;
            sftp.connection().close().await;
        }
    }
    assert_served(&mut server, &alice).await;
}

async fn lengths_inside_a_packet_may_lie(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for length in [u32::MAX, 1 << 31, 1 << 20, 100] {
        let mut sftp = server.sftp_of(&alice).await;
        sftp.send(&packet(3, &Fields::new().u32(1).u32(length).bytes(b"/x").0)).await;
        sftp.finish().await;
        assert_refused(&mut sftp, &[code::BAD_MESSAGE]).await;
    }
    let mut sftp = server.sftp_of(&alice).await;
    let pairs = Fields::new().string("/x").u32(0x8000_0000).u32(u32::MAX);
    sftp.post(9, &pairs).await;
    sftp.finish().await;
    assert_refused(&mut sftp, &[code::BAD_MESSAGE]).await;
    assert_served(&mut server, &alice).await;
}

async fn a_request_before_the_first_packet_is_refused(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("secret", "x");
    let mut sftp = server.login(&alice).await.bare_sftp().await;
    sftp.post(13, &Fields::new().string("/secret")).await;
    sftp.finish().await;
    assert_refused(&mut sftp, &[code::BAD_MESSAGE, code::FAILURE]).await;
    assert!(alice.has("secret"));
    assert_served(&mut server, &alice).await;
}

async fn ten_thousand_handles_are_too_many_or_all_work(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    let mut handles = Vec::new();
    let mut refused = 0;
    for _ in 0..10_000 {
        match sftp.open("/file", flags::READ).await {
            Ok(handle) => handles.push(handle),
            Err(status) => {
                assert_eq!(status.code, code::FAILURE, "{status:?}");
                refused += 1;
            }
        }
    }
    assert!(handles.len() >= 100, "{} handles", handles.len());
    assert_eq!(handles.len() + refused, 10_000);
    for handle in &handles {
        assert_eq!(sftp.read(handle, 0, 100).await.unwrap(), b"content");
    }
    assert_served(&mut server, &alice).await;
    for handle in &handles {
        sftp.close(handle).await.unwrap();
    }
    let handle = sftp.open("/file", flags::READ).await.unwrap();
    assert_eq!(sftp.read(&handle, 0, 100).await.unwrap(), b"content");
    assert!(server.resident() < 200 * MIB);
}

async fn handles_of_another_session_are_refused(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "content");
    let (mut one, mut two) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
    let handle = one.open("/file", flags::READ).await.unwrap();
    assert_eq!(two.read(&handle, 0, 10).await.unwrap_err().code, code::FAILURE);
    assert_eq!(two.close(&handle).await.unwrap_err().code, code::FAILURE);
    assert_eq!(one.write(&handle, 0, b"x").await.unwrap_err().code, code::FAILURE);
    one.close(&handle).await.unwrap();
    assert_eq!(one.read(&handle, 0, 10).await.unwrap_err().code, code::FAILURE);
    assert_eq!(one.close(&handle).await.unwrap_err().code, code::FAILURE);
    for strange in [&b""[..], b"\0", &[0xFF; 300]] {
        assert_eq!(one.read(strange, 0, 10).await.unwrap_err().code, code::FAILURE);
    }
    let writing = one.open("/new", flags::PUT).await.unwrap();
    assert_eq!(one.read(&writing, 0, 10).await.unwrap_err().code, code::FAILURE);
    assert_eq!(alice.read("file"), b"content");
}

async fn hostile_paths_are_answered_in_order(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let outside = server.folder().join("outside");
    std::fs::write(&outside, "secret").unwrap();
    let long = vec![b'a'; 5000];
    let deep = "/d".repeat(2500).into_bytes();
    let paths: [&[u8]; 7] =
        [b"/nul\0byte", b"\0", &long, &deep, b"../../outside", b"/../../../outside", b"/\xFF\xFE"];
    let mut sftp = server.sftp_of(&alice).await;
    for path in paths {
        let shown = String::from_utf8_lossy(&path[..path.len().min(20)]).into_owned();
        let status = sftp.get(path).await.unwrap_err();
        assert!((2..=5).contains(&status.code), "{shown}: {status:?}");
        assert!(!status.text.contains(server.folder().to_str().unwrap()), "{status:?}");
        for status in [sftp.stat(path).await.err(), sftp.remove(path).await.err()] {
            assert!(status.is_some_and(|status| (2..=5).contains(&status.code)), "{shown}");
        }
    }
    for path in [&paths[0], &paths[1], &paths[2]] {
        let status = sftp.mkdir(path).await.unwrap_err();
        assert!((2..=5).contains(&status.code), "{status:?}");
    }
    // Bytes that are no UTF-8 either work or fail cleanly.
    if sftp.put(b"/\xFF\xFE", b"x").await.is_ok() {
        assert_eq!(sftp.get(b"/\xFF\xFE").await.unwrap(), b"x");
    }
    assert_eq!(sftp.realpath("../..//a/./b/..").await.unwrap(), b"/a");
    assert_eq!(sftp.realpath("").await.unwrap(), b"/");
    assert_eq!(std::fs::read(&outside).unwrap(), b"secret");
    assert_served(&mut server, &alice).await;
}

async fn a_client_that_never_reads_is_held_back(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("big", vec![7; 8 << 20]);
    let before = server.resident();
    let mut greedy = server.sftp_of(&alice).await;
    let handle = greedy.open("/big", flags::READ).await.unwrap();
    let mut asked = 0;
    // 100,000 answers of 32 KiB would be 3 GiB.
    for number in 0..100_000_u64 {
        let fields = Fields::new().u32(1).string(&handle).u64(number % 256 * 32_768).u32(32_768);
        let request = packet(5, &fields.0);
        let sending = greedy.try_send(&request);
        if tokio::time::timeout(Duration::from_secs(2), sending).await.is_err() {
            break;
        }
        asked += 1;
    }
    assert!(asked > 0);
    assert_served(&mut server, &alice).await;
    let grown = server.resident().saturating_sub(before);
    assert!(grown < 100 * MIB, "{grown} bytes more after {asked} requests");
}

async fn half_a_packet_disturbs_nobody(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut waiting = server.sftp_of(&alice).await;
    let request = packet(16, &Fields::new().u32(9).string("/a/..").0);
    waiting.send(&request[..11]).await;
    assert_served(&mut server, &alice).await;
    waiting.send(&request[11..]).await;
    assert_eq!(waiting.receive().await.unwrap().id(), 9);
    // Byte by byte is as good as in one piece.
    for byte in request {
        waiting.send(&[byte]).await;
    }
    assert_eq!(waiting.receive().await.unwrap().id(), 9);
}

async fn a_thousand_silent_connections_cost_little(topology: Topology) {
    let config = json!({ "sftpd": { "login_grace_time": 6 } });
    let mut server = Server::with(topology, config).await;
    let alice = server.user("alice").await;
    let mut silent = Vec::new();
    for _ in 0..1000 {
        silent.push(TcpStream::connect(server.sftp()).await.unwrap());
    }
    assert_served(&mut server, &alice).await;
    assert!(server.resident() < 200 * MIB, "{} bytes", server.resident());
    for mut stream in silent {
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest));
        assert!(end.await.is_ok(), "a silent connection stays open");
    }
    assert_served(&mut server, &alice).await;
}

async fn bytes_that_are_not_ssh_end_the_connection(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let inputs: [Vec<u8>; 5] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        vec![0; 70_000],
        b"SSH-1.5-old\r\n".to_vec(),
        [b"SSH-2.0-x\r\n".to_vec(), vec![0xFF; 5000]].concat(),
        vec![b'a'; 1 << 20],
    ];
    for input in inputs {
        let mut stream = TcpStream::connect(server.sftp()).await.unwrap();
        // The server may have closed before all is sent.
        let _ = stream.write_all(&input).await;
        let _ = stream.shutdown().await;
        let mut rest = Vec::new();
        let end = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut rest));
        assert!(end.await.is_ok(), "still open after {:?}", &input[..10]);
    }
    assert_served(&mut server, &alice).await;
}

async fn a_fifo_cannot_be_opened(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let made = std::process::Command::new("mkfifo").arg(alice.path("fifo")).status().unwrap();
    assert!(made.success());
    let mut sftp = server.sftp_of(&alice).await;
    for flags in [flags::READ, flags::WRITE, flags::PUT] {
        assert_eq!(sftp.open("/fifo", flags).await.unwrap_err().code, code::FAILURE);
    }
    assert_eq!(sftp.list("/").await.unwrap().len(), 1);
    sftp.stat("/fifo").await.unwrap();
    assert_served(&mut server, &alice).await;
}

async fn attributes_with_all_flags_are_survived(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "x");
    let mut sftp = server.sftp_of(&alice).await;
    let all = Fields::new().string("/file").u32(u32::MAX).bytes(&[0xFF; 100]);
    let outcome = sftp.request(9, all).await;
    assert!(outcome.is_err());
    assert_served(&mut server, &alice).await;
}
