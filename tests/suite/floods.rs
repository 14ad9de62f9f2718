//! Many wrong passwords, many accounts.

use std::time::{Duration, Instant};

use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::{Value, json};

both_topologies!(
    wrong_passwords_for_one_account_do_not_slow_the_key_login_of_another,
    many_accounts_slow_neither_logins_nor_lists_nor_updates,
);

const LOGINS: usize = 40;
/// Clients that guess, each again and again.
const GUESSERS: usize = 24;

async fn key_logins(server: &Server, name: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..LOGINS {
        let mut connection = Connection::open(server.sftp()).await;
        let begin = Instant::now();
        assert!(connection.offer_key(name, ferryd_tests::keys::client_key()).await);
        times.push(begin.elapsed());
        connection.close().await;
    }
    times.sort();
    times[LOGINS * 99 / 100]
}

async fn wrong_passwords_for_one_account_do_not_slow_the_key_login_of_another(topology: Topology) {
    let server = Server::start(topology).await;
    server.user("alice").await;
    server.user_with("victim", json!({ "password": "something else" })).await;
    let quiet = key_logins(&server, "alice").await;
    let address = server.sftp();
    let guessers: Vec<_> = (0..GUESSERS)
        .map(|_| {
            tokio::spawn(async move {
                loop {
                    if let Ok(mut connection) = Connection::try_open(address).await {
                        while let Ok(false) = connection.try_password("victim", "guess").await {}
                    }
                }
            })
        })
        .collect();
    until("the flood", async || {
        let guesses = server.metric("sftpgo_password_login_ko_total").await?;
        (guesses >= 8.0).then_some(())
    })
    .await;
    let flooded = key_logins(&server, "alice").await;
    guessers.iter().for_each(tokio::task::JoinHandle::abort);
    let ko = server.metric("sftpgo_password_login_ko_total").await;
    println!("99th percentile: quiet {quiet:?}, flooded {flooded:?}, {ko:?} guesses");
    // Generous: the guessers themselves take most of the machine here, without optimization.
    assert!(flooded < quiet + Duration::from_secs(2), "quiet {quiet:?}, flooded {flooded:?}");
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
