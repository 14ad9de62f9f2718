//! A file system that does not answer, below one account: it holds up its own account and nobody
//! else, and what clients send to it is not gathered in memory.

mod neighbours;
pub(crate) mod slow_folder;

use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wait::soon;
use ferryd_tests::wire::{Fields, Reader, packet};
use ferryd_tests::{Connection, RawSftp, Server, Topology, User, both_topologies, until};
use serde_json::json;
use tokio::task::JoinSet;

use slow_folder::SlowFolder;

both_topologies!(
    a_stalled_file_system_holds_up_only_its_account,
    a_stalled_virtual_folder_holds_up_no_stat_elsewhere,
    a_stalled_home_holds_up_no_listing_of_a_virtual_folder,
    clients_that_leave_a_stalled_file_system_hold_up_nobody,
    readers_that_leave_a_stalled_file_system_hold_up_nobody,
    logins_to_a_stalled_home_leave_threads_for_others,
    a_home_under_a_mount_that_stalls_holds_up_nobody,
    an_upload_to_a_stalled_file_system_is_held_back,
);

const MIB: u64 = 1 << 20;

/// More sessions than a server has threads for connections.
const SESSIONS: usize = 6;

/// Adds a user whose home is on a file system that can be stalled.
async fn slow_user(server: &Server) -> Option<(SlowFolder, User)> {
    let home = server.home_of("slow");
    let folder = SlowFolder::mount(&home)?;
    Some((folder, server.user_with("slow", json!({ "home_dir": home })).await))
}

/// What other users do meanwhile: many short requests, a big file, a new login.
async fn work(server: &Server, user: &User) -> Duration {
    let begin = Instant::now();
    let mut sftp = server.sftp_of(user).await;
    for _ in 0..500 {
        sftp.lstat("/big").await.unwrap();
    }
    let handle = sftp.open("/big", flags::READ).await.unwrap();
    let (mut asked, mut received) = (0, 0);
    while received < 64 * MIB {
        while asked < 64 * MIB && asked < received + 4 * MIB {
            let read = Fields::new().string(&handle).u64(asked).u32(32_768);
            sftp.post(5, &read).await;
            asked += 32_768;
        }
        let data = sftp.receive().await.unwrap().outcome().unwrap();
        received += Reader(&data).string().len() as u64;
    }
    sftp.close(&handle).await.unwrap();
    sftp.put("/new", b"content").await.unwrap();
    begin.elapsed()
}

/// Sessions with an open file each.
async fn sessions(server: &Server, slow: &User) -> Vec<(RawSftp, Vec<u8>)> {
    let mut sessions = Vec::new();
    for number in 0..SESSIONS {
        let mut sftp = server.sftp_of(slow).await;
        let path = format!("/file-{number}");
        let how = flags::PUT | flags::READ;
        let handle = sftp.open(&path, how).await.unwrap();
        sftp.write(&handle, 0, b"content").await.unwrap();
        sessions.push((sftp, handle));
    }
    sessions
}

/// Asks for whatever touches the file system, without waiting for answers; returns how many.
async fn ask(sftp: &mut RawSftp, handle: &[u8]) -> usize {
    for number in 0..8_u64 {
        sftp.post(7, &Fields::new().string(format!("/file-{number}"))).await;
        sftp.post(8, &Fields::new().string(handle)).await;
        sftp.post(5, &Fields::new().string(handle).u64(number).u32(100)).await;
        sftp.post(6, &Fields::new().string(handle).u64(number).string([7; 1000])).await;
        sftp.post(11, &Fields::new().string("/")).await;
    }
    8 * 5
}

async fn a_stalled_file_system_holds_up_only_its_account(topology: Topology) {
    let mut server = Server::start(topology).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let Some((folder, slow)) = slow_user(&server).await else { return };
    let before = work(&server, &bob).await;
    let mut sessions = sessions(&server, &slow).await;
    folder.stall();
    let mut asked = 0;
    for (sftp, handle) in &mut sessions {
        asked = ask(sftp, handle).await;
    }
    until("a call that waits", async || folder.holds_a_call().then_some(())).await;
    // Logins of the account wait as well; the logins of others do not.
    let address = server.sftp();
    let late = tokio::spawn(async move {
        let mut connection = Connection::open(address).await;
        connection.offer_key("slow", client_key()).await
    });
    let during = work(&server, &bob).await;
    let again = work(&server, &bob).await;
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    println!("{topology:?}: {before:?} before, {during:?} and {again:?} during the stall");
    folder.release();
    for (sftp, _) in &mut sessions {
        for _ in 0..asked {
            sftp.receive().await.unwrap();
        }
    }
    assert!(late.await.unwrap(), "who waited for the file system gets in");
    server.assert_running();
}

async fn a_stalled_virtual_folder_holds_up_no_stat_elsewhere(topology: Topology) {
    let mut server = Server::start(topology).await;
    let mapped = server.home_of("mapped");
    let Some(folder) = SlowFolder::mount(&mapped) else { return };
    let folders = json!([{ "virtual_path": "/slow", "mapped_path": mapped }]);
    let alice = server.user_with("alice", json!({ "virtual_folders": folders })).await;
    alice.put("file", "content");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/slow/file", b"slow").await.unwrap();
    folder.stall();
    let stat = |id: u32, path: &str| packet(17, &Fields::new().u32(id).string(path).0);
    let together = [
        stat(1, "/file"),
        stat(2, "/slow/file"),
        stat(3, "/file"),
        packet(11, &Fields::new().u32(4).string("/").0),
        packet(13, &Fields::new().u32(5).string("/file").0),
        stat(6, "/file"),
    ];
    sftp.send(&together.concat()).await;
    for id in [1, 3, 4] {
        let reply = sftp.receive().await.unwrap();
        assert_eq!(reply.id(), id);
        reply.outcome().unwrap();
    }
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    assert!(alice.has("file"), "a change waits for every STAT before it");
    folder.release();
    for id in [2, 5] {
        let reply = sftp.receive().await.unwrap();
        assert_eq!(reply.id(), id);
        reply.outcome().unwrap();
    }
    let gone = sftp.receive().await.unwrap();
    assert_eq!((gone.id(), gone.outcome().unwrap_err().code), (6, code::NO_FILE));
    server.assert_running();
}

async fn a_stalled_home_holds_up_no_listing_of_a_virtual_folder(topology: Topology) {
    let mut server = Server::start(topology).await;
    let (home, mapped) = (server.home_of("slow"), server.home_of("mapped"));
    let Some(folder) = SlowFolder::mount(&home) else { return };
    std::fs::create_dir_all(&mapped).unwrap();
    std::fs::write(mapped.join("file"), "content").unwrap();
    let folders = json!([{ "virtual_path": "/quick", "mapped_path": mapped }]);
    let slow = json!({ "home_dir": home, "virtual_folders": folders });
    let slow = server.user_with("slow", slow).await;
    let mut sftp = server.sftp_of(&slow).await;
    folder.stall();
    let listed = soon("a listing", sftp.list_all("/quick")).await.unwrap();
    let mut names: Vec<_> = listed.iter().map(|entry| entry.name.as_slice()).collect();
    names.sort_unstable();
    assert_eq!(names, [b".".as_slice(), b"..", b"file"]);
    folder.release();
    server.assert_running();
}

async fn clients_that_leave_a_stalled_file_system_hold_up_nobody(topology: Topology) {
    let mut server = Server::start(topology).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let Some((folder, slow)) = slow_user(&server).await else { return };
    let mut sessions = sessions(&server, &slow).await;
    for (sftp, _) in &mut sessions {
        // Some are only open for reading.
        sftp.open("/file-0", flags::READ).await.unwrap();
    }
    folder.stall();
    for (number, (mut sftp, handle)) in sessions.into_iter().enumerate() {
        match number % 3 {
            // In the middle of requests, of a close, and while nothing is going on.
            0 => drop(ask(&mut sftp, &handle).await),
            1 => drop(sftp.post(4, &Fields::new().string(&handle)).await),
            _ => {}
        }
        sftp.connection().close().await;
    }
    until("a call that waits", async || folder.holds_a_call().then_some(())).await;
    soon("the others", work(&server, &bob)).await;
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    folder.release();
    until("the end of the sessions", async || {
        server.connections_of("slow").await.is_empty().then_some(())
    })
    .await;
    let mut sftp = server.sftp_of(&slow).await;
    assert_eq!(sftp.list("/").await.unwrap().len(), SESSIONS);
    server.assert_running();
}

/// Closing a file may ask its file system, too.
async fn readers_that_leave_a_stalled_file_system_hold_up_nobody(topology: Topology) {
    let mut server = Server::start(topology).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let Some((folder, slow)) = slow_user(&server).await else { return };
    server.sftp_of(&slow).await.put("/file", b"content").await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..SESSIONS {
        let mut sftp = server.sftp_of(&slow).await;
        for _ in 0..20 {
            sftp.open("/file", flags::READ).await.unwrap();
        }
        readers.push(sftp);
    }
    let before = server.threads();
    folder.stall();
    for sftp in readers {
        sftp.connection().close().await;
    }
    until("a call that waits", async || folder.holds_a_call().then_some(())).await;
    soon("the others", work(&server, &bob)).await;
    let threads = server.threads();
    println!("{topology:?}: {before} threads before, {threads} during the stall");
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    assert!(threads < before + 80, "{threads} threads");
    folder.release();
    until("the end of the sessions", async || {
        server.connections_of("slow").await.is_empty().then_some(())
    })
    .await;
    server.assert_running();
}

async fn assert_they_wait_until_released(
    server: &mut Server,
    folder: &SlowFolder,
    slow: &User,
    mut logins: JoinSet<bool>,
) {
    while let Some(ended) = logins.try_join_next() {
        assert!(!matches!(ended, Ok(true)), "a login did not wait");
    }
    folder.release();
    soon("a login", server.sftp_of(slow)).await.list("/").await.unwrap();
    logins.shutdown().await;
    server.assert_running();
}

/// More logins than a pool has threads wait for one home.
async fn logins_to_a_stalled_home_leave_threads_for_others(topology: Topology) {
    const LOGINS: usize = 600;
    let patient = json!({ "sftpd": { "login_grace_time": 600 } });
    let mut server = Server::with(topology, patient).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let Some((folder, slow)) = slow_user(&server).await else { return };
    let mut connections = Vec::new();
    for _ in 0..LOGINS {
        connections.push(Connection::open(server.sftp()).await);
    }
    let before = server.threads();
    folder.stall();
    let mut logins = JoinSet::new();
    for mut connection in connections {
        logins.spawn(async move { connection.offer_key("slow", client_key()).await });
    }
    until("logins that wait", async || {
        let tried = server.metric("sftpgo_public_key_login_attempts_total").await?;
        (tried >= LOGINS as f64 && folder.holds_a_call()).then_some(())
    })
    .await;
    soon("the others", work(&server, &bob)).await;
    let threads = server.threads();
    println!("{topology:?}: {before} threads before, {threads} while {LOGINS} logins wait");
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    assert!(threads < before + 100, "{threads} threads");
    assert_they_wait_until_released(&mut server, &folder, &slow, logins).await;
}

/// A home that answered at once when it was opened before.
async fn a_home_under_a_mount_that_stalls_holds_up_nobody(topology: Topology) {
    let mut server = Server::start(topology).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let slow = server.user("slow").await;
    for _ in 0..SESSIONS {
        server.sftp_of(&slow).await.list("/").await.unwrap();
    }
    let Some(folder) = SlowFolder::mount(&server.home_of("slow")) else { return };
    folder.stall();
    let mut logins = JoinSet::new();
    for _ in 0..SESSIONS {
        let mut connection = Connection::open(server.sftp()).await;
        logins.spawn(async move { connection.offer_key("slow", client_key()).await });
    }
    until("a login that waits", async || folder.holds_a_call().then_some(())).await;
    soon("the others", work(&server, &bob)).await;
    assert!(folder.holds_a_call(), "the others were not waiting for the end of the stall");
    assert_they_wait_until_released(&mut server, &folder, &slow, logins).await;
}

async fn an_upload_to_a_stalled_file_system_is_held_back(topology: Topology) {
    let mut server = Server::start(topology).await;
    let Some((folder, slow)) = slow_user(&server).await else { return };
    let mut sftp = server.sftp_of(&slow).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, b"content").await.unwrap();
    let before = server.resident();
    folder.stall();
    // A client that sends more than windows should allow gets a packet through every second.
    let held_back = Duration::from_millis(500);
    let (data, mut sent) = (vec![7; 32_768], 0);
    while sent < 1024 * MIB {
        let write = Fields::new().u32(9).string(&handle).u64(sent).string(&data);
        let request = packet(6, &write.0);
        let sending = sftp.try_send(&request);
        if tokio::time::timeout(held_back, sending).await.is_err() {
            break;
        }
        sent += data.len() as u64;
    }
    let grown = server.resident().saturating_sub(before);
    println!("{topology:?}: {} KiB taken, {} KiB more memory", sent >> 10, grown >> 10);
    assert!(sent < 256 * MIB, "{sent} bytes were taken");
    assert!(grown < 64 * MIB, "{grown} bytes more after {sent} were sent");
    folder.release();
    // The one that was cut off in the middle of sending is not asked for.
    for _ in 0..sent / data.len() as u64 {
        sftp.receive().await.unwrap().outcome().unwrap();
    }
    server.assert_running();
}
