//! Many file systems that do not answer at once, among homes that are well.

use std::path::Path;
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::wait::soon;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies, until};
use serde_json::json;
use tokio::task::JoinSet;

use super::slow_folder::SlowFolder;
use super::{ask, work};

both_topologies!(
    sessions_whose_homes_hang_hold_up_no_login,
    homes_that_hang_hold_up_no_login_of_their_neighbours,
    a_file_system_of_many_homes_that_hangs_holds_up_no_login_elsewhere,
);

/// Accounts with a home that hangs, and logins to each.
const ACCOUNTS: usize = 32;
const LOGINS: usize = 5;
/// Who waits for what hangs does not give up before the test.
const PATIENT: Duration = Duration::from_secs(600);
/// Long before what hangs would give a place back.
const AT_ONCE: Duration = Duration::from_secs(3);

async fn server(topology: Topology) -> Server {
    Server::with(topology, json!({ "sftpd": { "login_grace_time": 600 } })).await
}

async fn user_at(server: &Server, name: &str, home: &Path) -> User {
    server.user_with(name, json!({ "home_dir": home })).await
}

async fn attempts(server: &Server) -> f64 {
    server.metric("sftpgo_public_key_login_attempts_total").await.unwrap_or_default()
}

/// Logins that wait. Dropping them ends them.
async fn logins(server: &Server, users: &[User]) -> JoinSet<bool> {
    let all = attempts(server).await + (users.len() * LOGINS) as f64;
    let mut logins = JoinSet::new();
    for user in users {
        for _ in 0..LOGINS {
            let connection = Connection::open(server.sftp()).await;
            let (name, mut connection) = (user.name.clone(), connection.with_patience(PATIENT));
            logins.spawn(async move { connection.offer_key(&name, client_key()).await });
        }
    }
    until("logins that wait", async || (attempts(server).await >= all).then_some(())).await;
    logins
}

/// Logs neighbours in that have never been here and those that have.
async fn neighbours_get_in(server: &Server, known: &User) {
    for number in 0..10 {
        let new = server.user(&format!("new-{number}")).await;
        for user in [&new, known] {
            let begin = Instant::now();
            soon("a login", server.sftp_of(user)).await.list("/").await.unwrap();
            assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
        }
    }
}

/// Adds a user whose home has not been made.
async fn homeless_user(server: &Server, name: &str, home: &Path) -> User {
    let mut fields = server.default_user(name);
    fields["home_dir"] = json!(home);
    let stored = server.rest().add_user(&fields).await.unwrap();
    User { name: name.to_owned(), id: stored.id, home: home.to_owned() }
}

/// Adds a user whose home is a link that has been followed.
async fn user_behind_a_link(server: &Server, name: &str, to: &Path) -> User {
    let home = server.home_of(name);
    std::os::unix::fs::symlink(to, &home).unwrap();
    let user = user_at(server, name, &home).await;
    server.sftp_of(&user).await.list("/").await.unwrap();
    user
}

fn assert_all_wait(logins: &mut JoinSet<bool>) {
    while let Some(ended) = logins.try_join_next() {
        assert!(!matches!(ended, Ok(true)), "a login did not wait");
    }
}

async fn homes_that_hang_hold_up_no_login_of_their_neighbours(topology: Topology) {
    let mut server = server(topology).await;
    let bob = server.user("bob").await;
    server.sftp_of(&bob).await.list("/").await.unwrap();
    let (mut folders, mut users) = (Vec::new(), Vec::new());
    for number in 0..ACCOUNTS {
        let name = format!("slow-{number}");
        let Some(folder) = SlowFolder::mount(&server.home_of(&name)) else { return };
        users.push(user_at(&server, &name, &server.home_of(&name)).await);
        folders.push(folder);
    }
    let before = server.threads();
    folders.iter().for_each(SlowFolder::stall);
    let mut logins = logins(&server, &users).await;
    until("calls that wait", async || folders.iter().all(SlowFolder::holds_a_call).then_some(()))
        .await;
    neighbours_get_in(&server, &bob).await;
    let threads = server.threads();
    println!("{topology:?}: {before} threads before, {threads} while {ACCOUNTS} homes hang");
    assert_all_wait(&mut logins);
    assert!(threads < before + 4 * ACCOUNTS + 40, "{threads} threads");
    folders.iter().for_each(SlowFolder::release);
    soon("a login", server.sftp_of(&users[0])).await.list("/").await.unwrap();
    logins.shutdown().await;
    server.assert_running();
}

async fn a_file_system_of_many_homes_that_hangs_holds_up_no_login_elsewhere(topology: Topology) {
    const HOMES: usize = 100;
    let mut server = server(topology).await;
    let bob = server.user("bob").await;
    let mount = server.home_of("mount");
    let Some(folder) = SlowFolder::mount(&mount) else { return };
    let mut users = Vec::new();
    for number in 0..HOMES {
        let name = format!("slow-{number}");
        users.push(if number % 2 == 0 {
            homeless_user(&server, &name, &mount.join(&name)).await
        } else {
            user_behind_a_link(&server, &name, &mount).await
        });
    }
    let before = server.threads();
    folder.stall();
    let mut logins = logins(&server, &users).await;
    until("a call that waits", async || folder.holds_a_call().then_some(())).await;
    neighbours_get_in(&server, &bob).await;
    let threads = server.threads();
    println!("{topology:?}: {before} threads before, {threads} while {HOMES} homes hang");
    assert_all_wait(&mut logins);
    assert!(threads < before + 130, "{threads} threads");
    folder.release();
    logins.shutdown().await;
    server.assert_running();
}

/// More calls than a server has threads, of sessions that were there before.
async fn sessions_whose_homes_hang_hold_up_no_login(topology: Topology) {
    let mut server = server(topology).await;
    let bob = server.user("bob").await;
    bob.put("big", vec![7; 64 << 20]);
    let (mut folders, mut sessions) = (Vec::new(), Vec::new());
    for number in 0..ACCOUNTS {
        let name = format!("slow-{number}");
        let Some(folder) = SlowFolder::mount(&server.home_of(&name)) else { return };
        let user = user_at(&server, &name, &server.home_of(&name)).await;
        for _ in 0..4 {
            sessions.extend(super::sessions(&server, &user).await);
        }
        folders.push(folder);
    }
    let before = server.threads();
    folders.iter().for_each(SlowFolder::stall);
    for (sftp, handle) in &mut sessions {
        ask(sftp, handle).await;
    }
    let threads = until("many calls", async || {
        let threads = server.threads();
        (threads > before + 500).then_some(threads)
    })
    .await;
    println!("{topology:?}: {before} threads before, {threads} while {} wait", sessions.len());
    neighbours_get_in(&server, &bob).await;
    soon("the others", work(&server, &bob)).await;
    assert!(server.threads() < before + 600, "{} threads", server.threads());
    folders.iter().for_each(SlowFolder::release);
    drop(sessions);
    soon("a login", server.sftp_of(&bob)).await.list("/").await.unwrap();
    server.assert_running();
}
