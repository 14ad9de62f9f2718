//! Accounts brought over from other systems: the options of their keys and the forms of their
//! password hashes. What the server cannot obey or check is refused or lets nobody in.

use ferryd_tests::keys::client_key;
use ferryd_tests::wait::until;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies};
use serde_json::json;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

both_topologies!(
    addresses_and_times_of_a_key_are_obeyed,
    options_that_cannot_be_obeyed_are_refused_with_a_sentence,
    stored_options_that_cannot_be_obeyed_let_nobody_in,
    hashes_of_shadow_verify_and_locked_ones_let_nobody_in,
    hashes_that_cannot_be_checked_are_refused_by_name,
    a_stored_hash_is_no_password,
    a_hash_in_a_dump_is_no_password,
);

/// "secret" by libxcrypt.
const YESCRYPT: &str = "$y$j9T$AbCdEfGhIjKlMnOp$xXOFrDSxS632qJKHH8hm66xFQ7nYzp634zH/liwFew8";
const SHA: &str = "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.";
const SSHA: &str = "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gBAgME";

fn key_with(options: &str) -> serde_json::Value {
    json!({ "public_keys": [format!("{options} {}", client_key().line)] })
}

/// Changes a column of a user behind the server's back.
pub(crate) async fn store(server: &Server, user: &User, column: &str, value: &str) {
    let file = server.folder().join("ferryd.db");
    let mut database = SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    let update = format!("UPDATE users SET {column} = ? WHERE id = ?");
    let update = sqlx::query(sqlx::AssertSqlSafe(update)).bind(value).bind(user.id);
    assert_eq!(update.execute(&mut database).await.unwrap().rows_affected(), 1);
}

async fn refusal(server: &Server, name: &str) -> String {
    let record = server.record("connection_failed", |record| record["username"] == *name).await;
    record["error"].as_str().unwrap().to_owned()
}

async fn password_lets_in(server: &Server, name: &str, password: &str) -> bool {
    Connection::open(server.sftp()).await.password(name, password).await
}

async fn addresses_and_times_of_a_key_are_obeyed(topology: Topology) {
    let server = Server::start(topology).await;
    for (number, (options, reason)) in [
        ("restrict", None),
        ("no-pty,no-port-forwarding,permitopen=\"localhost:1\"", None),
        ("from=\"127.0.0.0/8,::1\"", None),
        ("from=\"127.0.0.?\",expiry-time=\"20991231\"", None),
        ("from=\"192.0.2.0/24\"", Some("from=")),
        ("from=\"*,!127.0.0.1\"", Some("from=")),
        ("expiry-time=\"20200101\"", Some("expiry-time=")),
        ("expiry-time=\"202001012359Z\",from=\"127.0.0.1\"", Some("expiry-time=")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("user{number}");
        let user = server.user_with(&name, key_with(options)).await;
        let said = server.sftp_batch(&user, &[], "pwd\n").await;
        assert_eq!(said.well, reason.is_none(), "{options}: {said:?}");
        if let Some(reason) = reason {
            let told = refusal(&server, &name).await;
            assert!(told.contains(reason), "{options}: {told}");
        }
    }
    // Another line with the same key may still let in.
    let lines =
        ["from=\"192.0.2.1\" ", ""].map(|options| format!("{options}{}", client_key().line));
    let twice = server.user_with("twice", json!({ "public_keys": lines })).await;
    server.sftp_batch(&twice, &[], "pwd\n").await.assert_well();
}

const REFUSED: [(&str, &str); 8] = [
    ("command=\"/bin/false\"", "command="),
    ("cert-authority", "cert-authority"),
    ("principals=\"bob\"", "principals="),
    ("environment=\"A=b\"", "environment="),
    ("from=\"*.example.com\"", "*.example.com"),
    ("from=10.0.0.0/8", "double quotes"),
    ("expiry-time=\"soon\"", "YYYYMMDD"),
    ("no-ptty", "no-ptty"),
];

async fn options_that_cannot_be_obeyed_are_refused_with_a_sentence(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for (options, told) in REFUSED {
        let fault = server.try_user("bob", key_with(options)).await.unwrap_err();
        assert!(fault.public().contains(told), "{options}: {fault}");
        let path = format!("/api/v1/user/{}", alice.id);
        let (status, body) = server.call("PUT", &path, &key_with(options).to_string()).await;
        assert_eq!(status, 400, "{options}: {body}");
        assert!(body["error"].as_str().unwrap().contains(told), "{options}: {body}");
    }
    server.sftp_batch(&alice, &[], "pwd\n").await.assert_well();
}

async fn stored_options_that_cannot_be_obeyed_let_nobody_in(topology: Topology) {
    let server = Server::start(topology).await;
    for (number, (options, told)) in REFUSED.into_iter().enumerate() {
        let name = format!("user{number}");
        let user = server.user_with(&name, json!({ "password": "secret" })).await;
        let lines = key_with(options)["public_keys"].to_string();
        store(&server, &user, "public_keys", &lines).await;
        // The account can be changed all the same.
        server.rest().update_user(user.id, &json!({ "max_sessions": 5 })).await.unwrap();
        assert!(password_lets_in(&server, &name, "secret").await, "{options}");
        let said = server.sftp_batch(&user, &[], "pwd\n").await;
        if options.starts_with("environment") {
            said.assert_well();
            // The log is written by a thread of its own.
            let warned = async || server.log_of_hooks().contains(told).then_some(());
            ferryd_tests::until("the warning", warned).await;
        } else {
            assert!(!said.well && said.errors.contains("denied"), "{options}: {said:?}");
            let refused = refusal(&server, &name).await;
            assert!(refused.contains(told), "{options}: {refused}");
        }
    }
}

async fn hashes_of_shadow_verify_and_locked_ones_let_nobody_in(topology: Topology) {
    let server = Server::start(topology).await;
    for (name, hash) in [("yescrypt", YESCRYPT), ("sha", SHA)] {
        server.user_with(name, json!({ "password": hash, "public_keys": [] })).await;
        assert!(!password_lets_in(&server, name, hash).await, "{name}");
        assert!(!password_lets_in(&server, name, "secret ").await, "{name}");
        server.sftp_with_password(name, "secret", "pwd\n").await.assert_well();
    }
    let locked = [YESCRYPT, SHA].map(|hash| format!("!{hash}"));
    let marks = ["!", "*", "!!", "*LK*"].map(str::to_owned);
    for (number, field) in marks.into_iter().chain(locked).enumerate() {
        let name = format!("locked{number}");
        let user = server.user_with(&name, json!({ "password": field })).await;
        for password in [field.as_str(), "secret", field.trim_start_matches('!'), "!", ""] {
            assert!(!password_lets_in(&server, &name, password).await, "{field} {password}");
        }
        // The key is another matter.
        server.sftp_batch(&user, &[], "pwd\n").await.assert_well();
    }
}

async fn hashes_that_cannot_be_checked_are_refused_by_name(topology: Topology) {
    let changes = json!({ "data_provider": { "refuse_des_hashes": true } });
    let server = Server::with(topology, changes).await;
    let alice = server.user_with("alice", json!({ "password": "before" })).await;
    for (hash, name) in [
        (SSHA, "{SSHA}"),
        ("{CRYPT}$6$saltstring$AIsRs", "{CRYPT}"),
        ("$7$CU..../....AbCdEfGh$QjXqhzI6rIApL1MvSY59rSeY0n2wAOKITwKn443Jh98", "$7$"),
        ("$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW", "$2x$"),
        ("$argon2i$v=19$m=4096,t=1,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU", "$argon2i$"),
        ("$argon2d$v=19$m=4096,t=1,p=1$c2FsdHNhbHQ$qqSCqQPLbO7RKU", "$argon2d$"),
        ("pbkdf2_sha256$1000$salt$YWJj", "pbkdf2_sha256$"),
        ("abJnggxhB/yWI", "DES"),
    ] {
        let password = json!({ "password": hash });
        let fault = server.try_user("bob", password.clone()).await.unwrap_err();
        assert!(fault.public().contains(name), "{hash}: {fault}");
        let path = format!("/api/v1/user/{}", alice.id);
        let (status, body) = server.call("PUT", &path, &password.to_string()).await;
        assert_eq!(status, 400, "{body}");
        assert!(!password_lets_in(&server, "alice", hash).await, "{hash}");
    }
    assert!(password_lets_in(&server, "alice", "before").await);
    // Without the switch 13 letters are a password like any other.
    drop(server);
    let server = Server::start(topology).await;
    server.user_with("alice", json!({ "password": "abJnggxhB/yWI" })).await;
    assert!(password_lets_in(&server, "alice", "abJnggxhB/yWI").await);
}

async fn a_stored_hash_is_no_password(topology: Topology) {
    let server = Server::start(topology).await;
    for (number, text) in
        [SSHA, "!", "pbkdf2_sha256$1000$salt$YWJj", "clear"].into_iter().enumerate()
    {
        let name = format!("user{number}");
        let user = server.user_with(&name, json!({ "password": "before" })).await;
        store(&server, &user, "password", text).await;
        assert!(!password_lets_in(&server, &name, text).await, "{text}");
        assert!(refusal(&server, &name).await.contains("no password that can be checked"));
        if text != "clear" {
            server.rest().update_user(user.id, &json!({ "max_sessions": 5 })).await.unwrap();
            assert!(!password_lets_in(&server, &name, text).await, "{text} after a change");
        }
        server.rest().update_user(user.id, &json!({ "password": "after" })).await.unwrap();
        assert!(password_lets_in(&server, &name, "after").await, "{text}");
    }
}

async fn a_hash_in_a_dump_is_no_password(topology: Topology) {
    let dump = tempfile::NamedTempFile::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    let user = |name: &str, password: &str| {
        json!({ "username": name, "password": password, "status": 1, "home_dir": home.path(),
                "permissions": { "/": ["*"] } })
    };
    let users = [user("clear", "secret"), user("ssha", SSHA), user("locked", "!")];
    std::fs::write(dump.path(), json!({ "users": users }).to_string()).unwrap();
    let provider = json!({ "driver": "memory", "name": dump.path() });
    let server = Server::with(topology, json!({ "data_provider": provider })).await;
    assert!(password_lets_in(&server, "clear", "secret").await);
    assert!(!password_lets_in(&server, "ssha", SSHA).await);
    assert!(!password_lets_in(&server, "locked", "!").await);
    until("the warning", async || {
        let log = server.log_of_hooks();
        log.lines().any(|line| line.contains("ssha") && line.contains("warn")).then_some(())
    })
    .await;
}
