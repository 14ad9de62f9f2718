//! What clients may make the server keep in memory: requests whose answers nobody takes, and
//! packets whose rest never comes. Handles without end are in `hostile`.

use std::process::Stdio;
use std::time::Duration;

use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wait::soon;
use ferryd_tests::wire::{Fields, packet};
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin};

both_topologies!(
    whoever_asks_without_end_and_never_reads_is_sent_away,
    halves_of_packets_take_no_more_than_they_are,
);

const MIB: u64 = 1 << 20;
/// More of any kind than may wait.
const REQUESTS: usize = 4_000_000;

/// `ssh` keeps what it is sent, up to its window, and goes on sending: a client of ours would
/// wait for its own reader.
async fn ssh(server: &Server, user: &User) -> Child {
    let mut command = server.ssh_command(user);
    command.args(["-s", "sftp"]).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

async fn exchange(child: &mut Child, request: &[u8]) -> Vec<u8> {
    child.stdin.as_mut().unwrap().write_all(request).await.unwrap();
    let output = child.stdout.as_mut().unwrap();
    soon("an answer", async {
        let length = output.read_u32().await.unwrap();
        let mut body = vec![0; length as usize];
        output.read_exact(&mut body).await.unwrap();
        body
    })
    .await
}

/// Sends a request again and again until the client is gone; returns the most memory seen.
async fn flood(server: &Server, input: &mut ChildStdin, request: &[u8]) -> (usize, u64) {
    let batch = request.repeat(1000);
    let (mut sent, mut most) = (0, 0);
    while sent < REQUESTS {
        let writing = tokio::time::timeout(Duration::from_secs(60), input.write_all(&batch)).await;
        most = most.max(server.resident());
        match writing {
            Ok(Ok(())) => sent += 1000,
            Ok(Err(_)) => break,
            Err(_) => panic!("after {sent} requests nothing is taken and nothing ends"),
        }
    }
    (sent, most)
}

async fn whoever_asks_without_end_and_never_reads_is_sent_away(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", vec![7; 64 << 10]);
    for number in 0..200 {
        alice.put(&format!("folder/{number}"), "");
    }
    let by_name = |kind, path: &str| packet(kind, &Fields::new().u32(1).string(path).0);
    let open = Fields::new().u32(1).string("/file").u32(flags::READ).u32(0);
    let openers = [("READ", packet(3, &open.0)), ("READDIR", by_name(11, "/folder"))];
    for (kind, opener) in
        openers.iter().map(|(kind, opener)| (*kind, Some(opener))).chain([("LSTAT", None)])
    {
        let before = server.resident();
        let known = disconnects(&server);
        let mut child = ssh(&server, &alice).await;
        exchange(&mut child, &packet(1, &3_u32.to_be_bytes())).await;
        let request = match opener {
            Some(opener) => {
                let body = exchange(&mut child, opener).await;
                // Type, id, then the handle with its length.
                let handle = &body[9..];
                let fields = Fields::new().u32(2).string(handle);
                match kind {
                    "READ" => packet(5, &fields.u64(0).u32(32_768).0),
                    _ => packet(12, &fields.0),
                }
            }
            None => by_name(7, "/file"),
        };
        let mut input = child.stdin.take().unwrap();
        let (sent, most) = flood(&server, &mut input, &request).await;
        let grown = most.saturating_sub(before);
        println!("{topology:?}: {sent} {kind}, {} KiB more memory", grown >> 10);
        assert!(grown < 100 * MIB, "{kind}: {grown} bytes more");
        assert!(sent < REQUESTS, "{kind}: all were taken");
        until("its record", async || (disconnects(&server) > known).then_some(())).await;
        assert_eq!(disconnects(&server), known + 1, "{kind}");
        soon("the end of the client", child.wait()).await.unwrap();
    }
    server.assert_running();
    assert_eq!(server.sftp_of(&alice).await.get("/file").await.unwrap().len(), 64 << 10);
}

fn disconnects(server: &Server) -> usize {
    let records = server.records().into_iter();
    let said = "disconnected: too much is waiting";
    records.filter(|record| record.to_string().contains(said)).count()
}

async fn halves_of_packets_take_no_more_than_they_are(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut waiting = Vec::new();
    for _ in 0..40 {
        waiting.push(server.sftp_of(&alice).await);
    }
    let before = server.resident();
    let whole = packet(6, &Fields::new().u32(1).string("handle").u64(0).string([7; 250_000]).0);
    for sftp in &mut waiting {
        sftp.send(&whole[..200_000]).await;
    }
    // An answer to the last one's predecessor tells nothing: the rest is what all wait for.
    server.sftp_of(&alice).await.put("/file", b"content").await.unwrap();
    let grown = server.resident().saturating_sub(before);
    println!("{topology:?}: 40 halves of 200,000 bytes, {} KiB more memory", grown >> 10);
    assert!(grown < 64 * MIB, "{grown} bytes more");
    for sftp in &mut waiting {
        sftp.send(&whole[200_000..]).await;
        assert!(sftp.receive().await.unwrap().outcome().is_err(), "there is no such handle");
    }
    server.assert_running();
}
