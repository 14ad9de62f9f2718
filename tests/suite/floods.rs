//! Many wrong passwords, many accounts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferryd_tests::{Connection, Server, Topology, both_topologies, until, wait::until_within};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

both_topologies!(
    guessers_of_one_password_lock_out_nobody_else,
    a_flood_does_not_tell_names_with_an_account_from_others,
    many_accounts_slow_neither_logins_nor_lists_nor_updates,
);

/// Clients that guess, each again and again.
const GUESSERS: usize = 36;
/// How long answers to guesses may take where others have the CPU.
const GUESSING: Duration = Duration::from_secs(180);
/// What the record of a password says that was refused without a look.
const UNCHECKED: &str = "too many passwords wait";
/// What a server may take for a flood: two checks that run, connections, passwords that wait.
const MOST_MEMORY: u64 = 384 << 20;

fn guess(address: SocketAddr, name: &'static str, guesser: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        for number in 0.. {
            if let Ok(mut connection) = Connection::try_open(address).await {
                for tried in 0.. {
                    let guess = format!("guess {guesser} {number} {tried}");
                    let Ok(false) = connection.try_password(name, &guess).await else { break };
                }
            }
        }
    })
}

fn failures(server: &Server, name: &str) -> Vec<String> {
    let of_name =
        |record: &Value| record["sender"] == "connection_failed" && record["username"] == name;
    let records = server.records().into_iter().filter(of_name);
    records.map(|record| record["error"].as_str().unwrap_or_default().to_owned()).collect()
}

fn outages(server: &Server) -> usize {
    let said = |record: &Value| {
        record["message"].as_str().is_some_and(|text| text.contains("login not possible"))
    };
    server.records().iter().filter(|record| said(record)).count()
}

/// How fast others are is measured by `tests/bench/flood`; here they get in, and nobody fails.
async fn guessers_of_one_password_lock_out_nobody_else(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    server.user_with("victim", json!({ "password": "something else" })).await;
    let (address, before) = (server.sftp(), server.resident());
    let guessers: Vec<_> = (0..GUESSERS).map(|number| guess(address, "victim", number)).collect();
    until_within(GUESSING, "a guess that is not checked", async || {
        failures(&server, "victim").iter().any(|error| error.contains(UNCHECKED)).then_some(())
    })
    .await;
    for _ in 0..10 {
        let mut connection = Connection::open(address).await;
        assert!(connection.offer_key("alice", ferryd_tests::keys::client_key()).await);
        connection.close().await;
    }
    server.login(&alice).await.close().await;
    let elsewhere = "127.0.0.77".parse().unwrap();
    let mut owner = Connection::open_from(elsewhere, address).await;
    assert!(owner.password("victim", "something else").await, "the owner is locked out");
    let grown = server.resident().saturating_sub(before);
    assert!(grown < MOST_MEMORY, "{} KiB more memory", grown >> 10);
    guessers.iter().for_each(JoinHandle::abort);
    assert!(server.metric("sftpgo_password_checks_refused_total").await.unwrap() >= 1.0);
    until("the owner among those who guessed", async || {
        let mut owner = Connection::try_open(address).await.ok()?;
        owner.password("victim", "something else").await.then_some(())
    })
    .await;
}

async fn a_flood_does_not_tell_names_with_an_account_from_others(topology: Topology) {
    let server = Server::start(topology).await;
    server.user_with("victim", json!({ "password": "something else" })).await;
    let names = ["victim", "nobody"];
    let guessers: Vec<_> =
        (0..GUESSERS).map(|number| guess(server.sftp(), names[number % 2], number)).collect();
    for name in names {
        until_within(GUESSING, name, async || (failures(&server, name).len() > 10).then_some(()))
            .await;
    }
    guessers.iter().for_each(JoinHandle::abort);
    assert_eq!(outages(&server), 0, "programs that ban addresses have to see each failed try");
}

/// `FERRYD_TEST_ACCOUNTS` (2000).
fn accounts() -> usize {
    std::env::var("FERRYD_TEST_ACCOUNTS").map_or(2_000, |text| text.parse().unwrap())
}

async fn work(server: &Server, id: i64, offset: usize) -> [Duration; 3] {
    let mut best = [Duration::MAX; 3];
    for round in 0..10 {
        let mut connection = Connection::open(server.sftp()).await;
        let times = [
            timed(async {
                assert!(connection.offer_key("alice", ferryd_tests::keys::client_key()).await);
            })
            .await,
            timed(async {
                let path = format!("/api/v1/user?limit=100&offset={offset}");
                let (status, list) = server.call("GET", &path, "").await;
                assert_eq!((status, list.as_array().map(Vec::len)), (200, Some(100)));
            })
            .await,
            timed(async {
                let body = json!({ "max_sessions": round + 1000 }).to_string();
                let answer = server.call("PUT", &format!("/api/v1/user/{id}"), &body).await;
                assert_eq!(answer.0, 200);
            })
            .await,
        ];
        for (best, time) in best.iter_mut().zip(times) {
            *best = time.min(*best);
        }
        connection.close().await;
    }
    best
}

async fn timed(work: impl Future<Output = ()>) -> Duration {
    let begin = Instant::now();
    work.await;
    begin.elapsed()
}

async fn load(server: &Server, from: usize, to: usize) {
    for start in (from..to).step_by(5_000) {
        let users: Vec<Value> = (start..to.min(start + 5_000))
            .map(|number| server.default_user(&format!("user-{number:06}")))
            .collect();
        let file = server.folder().join("dump.json");
        std::fs::write(&file, json!({ "users": users }).to_string()).unwrap();
        let path = format!("/api/v1/loaddata?input_file={}&mode=1", file.display());
        assert_eq!(server.call("GET", &path, "").await.0, 200);
    }
}

async fn many_accounts_slow_neither_logins_nor_lists_nor_updates(topology: Topology) {
    for driver in ["sqlite", "memory"] {
        let name = if driver == "memory" { "" } else { "ferryd.db" };
        let config = json!({ "data_provider": { "driver": driver, "name": name } });
        let server = Server::with(topology, config).await;
        let alice = server.user("alice").await;
        load(&server, 0, 100).await;
        let few = work(&server, alice.id, 0).await;
        let all = accounts();
        load(&server, 100, all).await;
        let many = work(&server, alice.id, all - 100).await;
        println!("{driver}: login, list, update of 100 accounts {few:?}, of {all} {many:?}");
        for (few, many) in few.iter().zip(many) {
            assert!(many < *few * 4 + Duration::from_millis(40), "{few:?} became {many:?}");
        }
    }
}
