//! Loss of power and of connections, at any moment of an upload: what is there afterwards is what
//! the upload mode promises, nothing is left over, and counters tell what is on the disk.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wire::{Fields, Reader, packet};
use ferryd_tests::{Connection, RawSftp, Server, Topology, User, both_topologies, until};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

both_topologies!(
    a_killed_server_leaves_the_old_or_the_new_file_and_nothing_else,
    a_cut_connection_leaves_what_the_upload_mode_says,
);

const SIZE: usize = 1 << 20;
const PIECE: usize = 32_768;

/// How often a server or a connection dies per test: `FERRYD_TEST_CRASHES` (12).
fn crashes() -> u32 {
    let text = std::env::var("FERRYD_TEST_CRASHES").unwrap_or_else(|_| "12".to_owned());
    text.parse().expect("FERRYD_TEST_CRASHES is a number")
}

/// A moment between the start of something and a little after its usual end.
fn a_moment_of(usual: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1000;
    usual * u32::try_from(random).unwrap() * 6 / 5 / 1000
}

/// A version of a file: all its bytes are the number of the version.
fn version(number: u8) -> Vec<u8> {
    vec![number; SIZE]
}

/// Overwrites a file with many requests in flight; `None` when the connection ended before the
/// server said that all is well.
async fn overwrite(sftp: &mut RawSftp, path: &str, content: &[u8]) -> Option<()> {
    let open = Fields::new().u32(0).string(path).u32(flags::PUT).u32(0);
    sftp.try_send(&packet(3, &open.0)).await.ok()?;
    let body = sftp.receive().await?.outcome().unwrap();
    let handle = Reader(&body).string().to_vec();
    for (number, piece) in content.chunks(PIECE).enumerate() {
        let at = (number * PIECE) as u64;
        let write = Fields::new().u32(1).string(&handle).u64(at).string(piece);
        sftp.try_send(&packet(6, &write.0)).await.ok()?;
    }
    for _ in content.chunks(PIECE) {
        sftp.receive().await?.outcome().ok()?;
    }
    sftp.try_send(&packet(4, &Fields::new().u32(2).string(&handle).0)).await.ok()?;
    sftp.receive().await?.outcome().ok().map(drop)
}

fn leftovers(user: &User) -> usize {
    let entries = std::fs::read_dir(&user.home).unwrap();
    entries
        .filter(|entry| {
            let name = entry.as_ref().unwrap().file_name();
            name.to_string_lossy().starts_with(".sftpgo-upload.")
        })
        .count()
}

fn entries(user: &User) -> usize {
    std::fs::read_dir(&user.home).unwrap().count()
}

async fn usual_time(server: &Server, user: &User) -> Duration {
    let mut sftp = server.sftp_of(user).await;
    let begin = Instant::now();
    overwrite(&mut sftp, "/file", &version(0)).await.unwrap();
    begin.elapsed()
}

async fn a_killed_server_leaves_the_old_or_the_new_file_and_nothing_else(topology: Topology) {
    for mode in [0, 1, 2] {
        let mut server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let usual = usual_time(&server, &alice).await;
        let (mut old, mut replaced, mut left) = (0_u8, 0, 0);
        for round in 0..crashes() {
            let new = u8::try_from(round % 255).unwrap() + 1;
            let mut sftp = server.sftp_of(&alice).await;
            let upload =
                tokio::spawn(async move { overwrite(&mut sftp, "/file", &version(new)).await });
            tokio::time::sleep(a_moment_of(usual)).await;
            server.kill();
            let was_confirmed = upload.await.unwrap().is_some();
            let found = alice.read("file");
            if mode == 0 {
                // The file itself is written: it may be any beginning of the new version.
                assert!(found.iter().all(|byte| [old, new].contains(byte)), "round {round}");
            } else {
                assert!(found == version(old) || found == version(new), "mode {mode}: {round}");
            }
            assert!(!was_confirmed || found == version(new), "mode {mode}: a confirmed file");
            left += leftovers(&alice);
            server.restart().await;
            // Nobody has to log in for it.
            until("the file alone", async || (entries(&alice) == 1).then_some(())).await;
            assert_eq!(alice.read("file"), found, "mode {mode}: the sweep changes nothing");
            if found == version(new) {
                (old, replaced) = (new, replaced + 1);
            } else if mode == 0 {
                alice.put("file", version(old));
            }
        }
        println!("mode {mode}: {} kills, {replaced} new, {left} leftovers", crashes());
        server.sftp_of(&alice).await.put("/file", b"as ever").await.unwrap();
        assert_eq!(alice.read("file"), b"as ever");
    }
}

/// Carries one connection to a server until it is told to break it, with a reset.
async fn relay(server: SocketAddr) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (cut, told) = oneshot::channel();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = TcpStream::connect(server).await.unwrap();
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
            _ = told => server.set_zero_linger().unwrap(),
        }
    });
    (address, cut)
}

async fn disk(user: &User) -> (i64, i64) {
    let sizes: Vec<u64> = std::fs::read_dir(&user.home)
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .collect();
    (i64::try_from(sizes.len()).unwrap(), i64::try_from(sizes.iter().sum::<u64>()).unwrap())
}

/// Checks what is under the name after the upload of `new` over `old` has broken.
fn assert_kept(mode: i32, found: Option<&[u8]>, old: Option<&[u8]>, new: &[u8]) {
    let is_part = found.is_some_and(|found| new.starts_with(found));
    let is_whole = found == Some(new) || found == old;
    let expected = match mode {
        1 => is_whole,
        _ => is_whole || is_part,
    };
    assert!(expected, "mode {mode}: {:?} bytes of {}", found.map(<[u8]>::len), new.len());
}

async fn a_cut_connection_leaves_what_the_upload_mode_says(topology: Topology) {
    for mode in [0, 1, 2] {
        let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
        let alice = server.user("alice").await;
        let usual = usual_time(&server, &alice).await;
        for round in 0..crashes() {
            let name = if round % 2 == 0 { "file".to_owned() } else { format!("new-{round}") };
            let old = alice.has(&name).then(|| alice.read(&name));
            let new = version(u8::try_from(round % 255).unwrap() + 1);
            let (address, cut) = relay(server.sftp()).await;
            let mut connection = Connection::open(address).await;
            assert!(connection.offer_key("alice", client_key()).await);
            let mut sftp = connection.sftp().await;
            let (path, content) = (format!("/{name}"), new.clone());
            let upload =
                tokio::spawn(async move { overwrite(&mut sftp, &path, &content).await.is_some() });
            tokio::time::sleep(a_moment_of(usual)).await;
            let _ = cut.send(());
            let was_confirmed = upload.await.unwrap();
            until("the end of the session", async || {
                server.connections_of("alice").await.is_empty().then_some(())
            })
            .await;
            until("no leftovers", async || (leftovers(&alice) == 0).then_some(())).await;
            let mut compared = ((0, 0), (0, 0));
            until("counters that tell what is on the disk", async || {
                compared = (server.used_quota(&alice).await, disk(&alice).await);
                (compared.0 == compared.1).then_some(())
            })
            .await;
            let found = alice.has(&name).then(|| alice.read(&name));
            assert_kept(mode, found.as_deref(), old.as_deref(), &new);
            assert!(!was_confirmed || found == Some(new), "mode {mode}: a confirmed file");
        }
    }
}
