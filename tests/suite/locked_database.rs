//! Another program writes to the database for long (a backup, a script): whoever only reads must not
//! notice, and what is written behind is not lost.

use std::time::{Duration, Instant};

use ferryd_tests::wait::until_within;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

both_topologies!(reads_and_logins_do_not_wait_for_another_writer);

/// Far less than SQLite waits for its lock, far more than an answer takes on a busy machine.
const QUICK: Duration = Duration::from_secs(5);

async fn locked(server: &Server) -> SqliteConnection {
    let file = server.folder().join("ferryd.db");
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut database).await.unwrap();
    database
}

async fn quickly<T>(what: &str, work: impl Future<Output = T>) -> T {
    let begin = Instant::now();
    let done = work.await;
    assert!(begin.elapsed() < QUICK, "{what} took {:?}", begin.elapsed());
    done
}

async fn reads_and_logins_do_not_wait_for_another_writer(topology: Topology) {
    let mut server = Server::start(topology).await;
    let mut users = Vec::new();
    for number in 0..6 {
        let limits = json!({ "password": "secret", "quota_size": 100_000, "quota_files": 10 });
        users.push(server.user_with(&format!("user{number}"), limits).await);
    }
    // Another process knows nothing of these accounts yet.
    server.restart().await;
    let lock = locked(&server).await;
    for user in &users {
        let said =
            quickly("a login", server.sftp_batch(user, &[], "put /etc/hostname file\n")).await;
        said.assert_well();
        let size = i64::try_from(user.read("file").len()).unwrap();
        let path = format!("/api/v1/user/{}", user.id);
        let shown = quickly("GET of a user", server.call("GET", &path, "")).await;
        assert_eq!((shown.0, &shown.1["used_quota_size"]), (200, &json!(size)), "{}", shown.1);
        assert!(shown.1["last_login"].as_i64().unwrap() > 0, "{}", shown.1);
    }
    let list = quickly("GET of all", server.call("GET", "/api/v1/user?limit=50", "")).await;
    assert_eq!(list.1.as_array().unwrap().len(), users.len());
    let status = quickly("the status", server.call("GET", "/api/v1/providerstatus", "")).await;
    assert_eq!(status.0, 200);
    // The store has nothing of it while the other program goes on.
    let mut reader = SqliteConnectOptions::new()
        .filename(server.folder().join("ferryd.db"))
        .connect()
        .await
        .unwrap();
    let written = "SELECT count(*) FROM users WHERE last_login > 0 AND used_quota_files = 1";
    let count: i64 = sqlx::query_scalar(written).fetch_one(&mut reader).await.unwrap();
    assert_eq!(count, 0);
    drop(lock);
    until_within(Duration::from_secs(60), "what was written behind", async || {
        let count: i64 = sqlx::query_scalar(written).fetch_one(&mut reader).await.unwrap();
        (count == 6).then_some(())
    })
    .await;
    // A start does not need to write either.
    let lock = locked(&server).await;
    quickly("a start", server.restart()).await;
    quickly("a login", server.sftp_batch(&users[0], &[], "pwd\n")).await.assert_well();
    drop(lock);
}
