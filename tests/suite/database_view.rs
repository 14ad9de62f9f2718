//! Accounts in a view of somebody else's database (`users_table`, `manage_users` 0): they log in and
//! transfer, and nothing is ever written.

use std::path::PathBuf;

use ferryd_tests::{Connection, Server, Topology, both_topologies};
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};

both_topologies!(nothing_is_written_to_a_view_of_a_database);

/// A view of the table, and a trace of whatever tries to write to either.
const VIEW: &str = "
    PRAGMA journal_mode = DELETE;
    CREATE TABLE trace (statement text NOT NULL);
    CREATE VIEW people AS SELECT * FROM users;
    CREATE TRIGGER t1 BEFORE INSERT ON users BEGIN INSERT INTO trace VALUES ('insert'); END;
    CREATE TRIGGER t2 BEFORE UPDATE ON users BEGIN INSERT INTO trace VALUES ('update'); END;
    CREATE TRIGGER t3 BEFORE DELETE ON users BEGIN INSERT INTO trace VALUES ('delete'); END;
    CREATE TRIGGER t4 INSTEAD OF INSERT ON people BEGIN INSERT INTO trace VALUES ('insert'); END;
    CREATE TRIGGER t5 INSTEAD OF UPDATE ON people BEGIN INSERT INTO trace VALUES ('update'); END;
    CREATE TRIGGER t6 INSTEAD OF DELETE ON people BEGIN INSERT INTO trace VALUES ('delete'); END;
";

struct Database {
    file: PathBuf,
    connection: SqliteConnection,
}

/// What tells whether anybody has written.
#[derive(Debug, PartialEq, Eq)]
struct State {
    content: Vec<u8>,
    version: i64,
    traced: i64,
}

impl Database {
    async fn open(server: &Server) -> Self {
        let file = server.folder().join("ferryd.db");
        let connection = SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
        Self { file, connection }
    }

    async fn number(&mut self, query: &'static str) -> i64 {
        sqlx::query(query).fetch_one(&mut self.connection).await.unwrap().get(0)
    }

    async fn state(&mut self) -> State {
        State {
            content: std::fs::read(&self.file).unwrap(),
            version: self.number("PRAGMA data_version").await,
            traced: self.number("SELECT count(*) FROM trace").await,
        }
    }
}

fn set(server: &Server, section: &str, key: &str, value: Value) {
    let file = server.folder().join("ferryd.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config[section][key] = value;
    std::fs::write(file, config.to_string()).unwrap();
}

async fn nothing_is_written_to_a_view_of_a_database(topology: Topology) {
    let mut server = Server::start(topology).await;
    let changes = json!({ "password": "secret", "quota_size": 100_000, "max_sessions": 5 });
    let alice = server.user_with("alice", changes).await;
    set(&server, "data_provider", "users_table", json!("people"));
    server.stop();
    let mut database = Database::open(&server).await;
    sqlx::raw_sql(VIEW).execute(&mut database.connection).await.unwrap();
    for track_quota in [0, 1, 2] {
        set(&server, "data_provider", "manage_users", json!(0));
        set(&server, "data_provider", "track_quota", json!(track_quota));
        let before = database.state().await;
        server.restart().await;

        let mut connection = Connection::open(server.sftp()).await;
        assert!(connection.password("alice", "secret").await);
        let mut sftp = server.sftp_of(&alice).await;
        sftp.put("/one", &[1; 1000]).await.unwrap();
        sftp.put("/two", &[2; 500]).await.unwrap();
        sftp.rename("/two", "/one").await.unwrap();
        sftp.put("/three", &[3; 10]).await.unwrap();
        sftp.remove("/three").await.unwrap();

        let path = format!("/api/v1/user/{}", alice.id);
        let body = server.default_user("eve").to_string();
        assert_eq!(server.call("POST", "/api/v1/user", &body).await.0, 403);
        assert_eq!(server.call("PUT", &path, &body).await.0, 403);
        assert_eq!(server.call("DELETE", &path, "").await.0, 403);
        let shown = server.call("GET", &path, "").await;
        assert_eq!((shown.0, &shown.1["username"]), (200, &json!("alice")));
        assert_eq!(shown.1["used_quota_size"], 0, "track_quota {track_quota}");
        let _ = server.call("POST", "/api/v1/quota_scan", r#"{"username": "alice"}"#).await;

        // An orderly end writes what waits.
        server.stop();
        assert_eq!(database.state().await, before, "track_quota {track_quota}");
        assert_eq!(before.traced, 0);
        let journal = server.folder().join("quota_recovery.journal");
        assert!(!std::fs::read_to_string(journal).unwrap_or_default().contains("alice"));
    }
    // The trace works: with management of users a login is recorded.
    set(&server, "data_provider", "manage_users", json!(1));
    let before = database.state().await;
    server.restart().await;
    server.sftp_of(&alice).await.put("/one", &[1; 1000]).await.unwrap();
    server.stop();
    let after = database.state().await;
    assert!(after.traced > 0 && after.version != before.version);
}
