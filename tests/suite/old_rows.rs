//! Rows that others wrote into the database: older versions, scripts, hands. What can mean one thing
//! only is read as that; an account that is not understood lets nobody in and is named.

use ferryd_tests::{Connection, Server, Topology, both_topologies};
use serde_json::{Value, json};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

both_topologies!(
    old_forms_that_mean_one_thing_go_on_working,
    an_account_that_is_not_understood_is_refused_and_named,
    a_field_that_is_not_understood_has_to_be_given_anew,
);

const PASSWORD: &str = "correct horse battery staple";

/// Sets a column of an account to an expression of SQL.
async fn set(server: &Server, name: &str, column: &str, expression: &str) {
    let file = server.folder().join("ferryd.db");
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let statement = format!("UPDATE users SET {column} = {expression} WHERE username = '{name}'");
    let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut database).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{name} {column}");
}

async fn password(server: &Server, name: &str) -> bool {
    Connection::open(server.sftp()).await.password(name, PASSWORD).await
}

async fn user(server: &Server, name: &str) -> Value {
    let (status, users) = server.call("GET", &format!("/api/v1/user?username={name}"), "").await;
    assert_eq!(status, 200, "{users}");
    users[0].clone()
}

async fn old_forms_that_mean_one_thing_go_on_working(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    let key = ferryd_tests::keys::client_key();
    let line = user(&server, "alice").await["public_keys"][0].as_str().unwrap().to_owned();
    let other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";
    let two_keys = json!([format!("{other} old\n{line}\n")]).to_string();
    set(&server, "alice", "public_keys", &format!("'{two_keys}'")).await;
    for (column, expression) in [
        ("filters", "'[]'"),
        ("filters", "''"),
        ("filters", r#"'{"Denied_IP":"192.0.2.1","allowed_ip":"127.0.0.0/8"}'"#),
        ("filesystem", "'[]'"),
        ("filesystem", r#"'{"provider":"0"}'"#),
        ("virtual_folders", "'no JSON'"),
        ("permissions", r#"'["*"]'"#),
        ("quota_size", "'  1000000 '"),
        ("quota_files", "''"),
        ("max_sessions", "5.0"),
        ("home_dir", "CAST(home_dir AS BLOB)"),
    ] {
        set(&server, "alice", column, expression).await;
        assert!(password(&server, "alice").await, "{column} {expression}");
    }
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.offer_key("alice", key).await, "the second key of the entry");
    server.sftp_of(&alice).await.put("/file", b"12345").await.unwrap();
    set(&server, "alice", "filters", r#"'{"allowed_ip":"10.0.0.0/8"}'"#).await;
    assert!(!password(&server, "alice").await, "a filter that is a text is a filter");
    let shown = user(&server, "alice").await;
    assert_eq!(shown["filters"]["allowed_ip"], json!(["10.0.0.0/8"]));
    assert_eq!(shown.get("unreadable"), None, "{shown}");
}

async fn an_account_that_is_not_understood_is_refused_and_named(topology: Topology) {
    let server = Server::start(topology).await;
    for (number, (column, expression)) in [
        ("filters", "'allowed'"),
        ("filters", r#"'[["127.0.0.0/8"]]'"#),
        ("filters", r#"'{"allowed_ip":["127.0.0.0/8"],"allowed_ip":[]}'"#),
        ("filters", r#"'{"denied_ip":["somewhere"]}'"#),
        ("filters", r#"'{"file_patterns":[{"path":"/"}]}'"#),
        ("filesystem", "'s3'"),
        ("filesystem", r#"'[1]'"#),
        ("permissions", "'list'"),
        ("permissions", r#"'{"/":["*"],"/secret":5}'"#),
        ("public_keys", "'7'"),
        ("virtual_folders", r#"'[["/v","/m"]]'"#),
        ("quota_size", "'much'"),
        ("home_dir", "X'2FFF'"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        server.user_with(&name, json!({ "password": PASSWORD })).await;
        assert!(password(&server, &name).await);
        set(&server, &name, column, expression).await;
        assert!(!password(&server, &name).await, "{column} {expression}");
        let fits = |record: &Value| {
            record["username"] == *name && record["error"].as_str().unwrap().contains(column)
        };
        server.record("connection_failed", fits).await;
        let warned = server.log_of_hooks().lines().any(|line| {
            let record: Value = serde_json::from_str(line).unwrap_or_default();
            record["level"] == "warn" && record["username"] == *name && record["field"] == column
        });
        assert!(warned, "{column} {expression}");
        assert_eq!(user(&server, &name).await["unreadable"], json!([column]), "others are listed");
    }
    let (status, all) = server.call("GET", "/api/v1/user?limit=100", "").await;
    assert_eq!((status, all.as_array().unwrap().len()), (200, 13));
}

async fn a_field_that_is_not_understood_has_to_be_given_anew(topology: Topology) {
    let server = Server::start(topology).await;
    server.user_with("alice", json!({ "password": PASSWORD })).await;
    set(&server, "alice", "filters", r#"'["127.0.0.0/8"]'"#).await;
    let shown = user(&server, "alice").await;
    let path = format!("/api/v1/user/{}", shown["id"]);
    for body in [json!({ "status": 1 }), shown.clone()] {
        let (status, answer) = server.call("PUT", &path, &body.to_string()).await;
        assert_eq!(status, 400, "{answer}");
        assert!(answer.to_string().contains("filters"), "{answer}");
        assert!(!password(&server, "alice").await);
    }
    let (status, answer) = server.call("GET", "/api/v1/dumpdata?output_file=dump.json", "").await;
    assert_eq!(status, 200, "{answer}");
    let dump = server.folder().join("backups/dump.json");
    let load = format!("/api/v1/loaddata?input_file={}", dump.display());
    let (status, answer) = server.call("GET", &load, "").await;
    assert_ne!(status, 200, "a backup opens nothing: {answer}");
    assert!(!password(&server, "alice").await);
    let body = r#"{"filters":{"allowed_ip":["127.0.0.0/8"]}}"#;
    assert_eq!(server.call("PUT", &path, body).await.0, 200);
    assert!(password(&server, "alice").await);
}
