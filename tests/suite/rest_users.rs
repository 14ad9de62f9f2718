//! Users over REST: what is stored, what is refused and how a refusal says why.

use ferryd_domain::FaultKind;
use ferryd_rest::UserQuery;
use ferryd_tests::{Connection, Server, Topology, both_topologies};
use serde_json::{Value, json};

both_topologies!(
    a_refusal_names_the_field,
    a_name_is_taken_once,
    a_user_is_added_changed_listed_and_removed,
    an_update_lays_fields_over_the_user,
    secrets_are_never_shown,
    hashes_of_other_systems_are_taken_as_they_are,
    users_are_listed_in_order_and_in_pages,
    hostile_bodies_are_refused,
    unknown_paths_and_methods_are_answered_as_json,
    a_backup_restores_every_user,
    a_quota_scan_counts_files,
);

async fn a_refusal_names_the_field(topology: Topology) {
    let server = Server::start(topology).await;
    let cases = [
        (json!({ "permissions": { "/d": ["list"] } }), "permission"),
        (json!({ "permissions": {} }), "permission"),
        (json!({ "permissions": { "/": ["fly"] } }), "fly"),
        (json!({ "permissions": { "/": [] } }), "permission"),
        (json!({ "permissions": { "/": ["*"], "d": ["*"] } }), "permission"),
        (json!({ "home_dir": "relative" }), "home_dir"),
        (json!({ "home_dir": "" }), "home_dir"),
        (json!({ "username": "" }), "username"),
        (json!({ "public_keys": ["ssh-ed25519 nonsense"] }), "key"),
        (json!({ "public_keys": [] }), "password"),
        (json!({ "status": 2 }), "status"),
        (json!({ "filters": { "allowed_ip": ["192.0.2.1"] } }), "192.0.2.1"),
        (json!({ "filters": { "denied_login_methods": ["magic"] } }), "magic"),
    ];
    for (change, named) in cases {
        let fault = server.try_user("alice", change.clone()).await.unwrap_err();
        assert_eq!(fault.kind(), FaultKind::InvalidInput, "{change}: {fault}");
        assert!(fault.public().to_lowercase().contains(named), "{change}: {fault}");
    }
    let second = json!({ "public_keys": [ferryd_tests::keys::client_key().line, "broken"] });
    let fault = server.try_user("alice", second).await.unwrap_err();
    assert!(fault.public().contains('1'), "the number of the broken key: {fault}");
    assert!(server.rest().users(&UserQuery::default()).await.unwrap().is_empty());
}

async fn a_name_is_taken_once(topology: Topology) {
    let server = Server::start(topology).await;
    server.user("alice").await;
    let fault = server.try_user("alice", json!({})).await.unwrap_err();
    assert!(matches!(fault.kind(), FaultKind::Conflict | FaultKind::InvalidInput), "{fault}");
    server.user("Alice").await;
}

async fn a_user_is_added_changed_listed_and_removed(topology: Topology) {
    let server = Server::start(topology).await;
    let rest = server.rest();
    let alice = server.user("alice").await;
    assert_eq!(rest.user(alice.id).await.unwrap().username.as_str(), "alice");
    let mut running = server.sftp_of(&alice).await;
    rest.delete_user(alice.id).await.unwrap();
    assert_eq!(rest.user(alice.id).await.unwrap_err().kind(), FaultKind::NotFound);
    assert_eq!(rest.delete_user(alice.id).await.unwrap_err().kind(), FaultKind::NotFound);
    running.put("/file", b"running sessions go on").await.unwrap();
    assert!(alice.has("file"));
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key("alice", ferryd_tests::keys::client_key()).await);
    for id in [0, -1, i64::MAX] {
        assert_eq!(rest.user(id).await.unwrap_err().kind(), FaultKind::NotFound, "{id}");
    }
    let (status, body) = server.call("GET", "/api/v1/user/x", "").await;
    assert_eq!((status, &body["status"]), (400, &json!(400)));
}

async fn an_update_lays_fields_over_the_user(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "max_sessions": 3, "quota_files": 7 })).await;
    let path = format!("/api/v1/user/{}", alice.id);
    let (status, body) = server.call("PUT", &path, r#"{"quota_size": 1000}"#).await;
    assert_eq!((status, &body["message"]), (200, &json!("User updated")));
    let (_, user) = server.call("GET", &path, "").await;
    let numbers = ["max_sessions", "quota_files", "quota_size", "status"].map(|name| &user[name]);
    assert_eq!(numbers, [&json!(3), &json!(7), &json!(1000), &json!(1)]);
    assert_eq!(user["permissions"], json!({ "/": ["*"] }));
    let (status, _) = server.call("PUT", &path, r#"{"id": 4711}"#).await;
    assert_eq!(status, 400);
    let (status, _) = server.call("PUT", &path, r#"{"home_dir": "relative"}"#).await;
    assert_eq!(status, 400);
    let (_, after) = server.call("GET", &path, "").await;
    assert_eq!(after, user);
}

async fn secrets_are_never_shown(topology: Topology) {
    let server = Server::start(topology).await;
    let (status, added) = server
        .call("POST", "/api/v1/user", &{
            let mut user = server.default_user("alice");
            user["password"] = json!("a secret word");
            user.to_string()
        })
        .await;
    assert_eq!(status, 200);
    let (_, listed) = server.call("GET", "/api/v1/user", "").await;
    let (_, one) = server.call("GET", &format!("/api/v1/user/{}", added["id"]), "").await;
    for shown in [added, listed, one] {
        let text = shown.to_string();
        assert!(!text.contains("secret word") && !text.contains("argon2"), "{text}");
    }
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.password("alice", "a secret word").await);
    let log = server.records();
    assert!(log.iter().all(|record| !record.to_string().contains("a secret word")));
}

async fn hashes_of_other_systems_are_taken_as_they_are(topology: Topology) {
    let server = Server::start(topology).await;
    let hash = |kind: &str| {
        let made = std::process::Command::new("openssl")
            .args(["passwd", kind, "-salt", "saltsalt", "a secret word"])
            .output()
            .unwrap();
        String::from_utf8(made.stdout).unwrap().trim().to_owned()
    };
    let hashes = [hash("-1"), hash("-apr1"), hash("-6")];
    for (number, hash) in hashes.into_iter().enumerate() {
        let name = format!("user{number}");
        server.user_with(&name, json!({ "password": hash })).await;
        let mut connection = Connection::open(server.sftp()).await;
        assert!(!connection.password(&name, "another word").await, "{hash}");
        assert!(connection.password(&name, "a secret word").await, "{hash}");
    }
}

async fn users_are_listed_in_order_and_in_pages(topology: Topology) {
    let server = Server::start(topology).await;
    for name in ["b", "B", "a", "ä", "c"] {
        server.user(name).await;
    }
    let names = async |query: &str| {
        let (status, body) = server.call("GET", &format!("/api/v1/user?{query}"), "").await;
        assert_eq!(status, 200, "{query}: {body}");
        let users = body.as_array().unwrap().iter();
        users.map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["B", "a", "b", "c", "ä"]);
    assert_eq!(names("order=DESC&limit=2").await, ["ä", "c"]);
    assert_eq!(names("limit=2&offset=1").await, ["a", "b"]);
    assert_eq!(names("limit=0").await, [""; 0]);
    assert_eq!(names("username=b").await, ["b"]);
    assert_eq!(names("username=nobody").await, [""; 0]);
    for query in ["limit=x", "limit=-1", "offset=-1", "order=asc", "limit="] {
        let (status, _) = server.call("GET", &format!("/api/v1/user?{query}"), "").await;
        assert_eq!(status, 400, "{query}");
    }
}

async fn hostile_bodies_are_refused(topology: Topology) {
    let mut server = Server::start(topology).await;
    let long_name = json!({ "username": "x".repeat(300) });
    let mut user = server.default_user("alice");
    user["username"] = long_name["username"].clone();
    let bodies = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "\"alice\"".to_owned(),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        r#"{"username": 7}"#.to_owned(),
        r#"{"username": "a", "quota_size": "1"}"#.to_owned(),
        r#"{"username": "a", "quota_size": 1.5}"#.to_owned(),
        r#"{"username": "a", "permissions": []}"#.to_owned(),
        user.to_string(),
        "\u{0}".repeat(100),
    ];
    for body in bodies {
        let (status, answer) = server.call("POST", "/api/v1/user", &body).await;
        let shown: String = body.chars().take(60).collect();
        assert_eq!(status, 400, "{shown}: {answer}");
        assert_eq!(answer["status"], 400, "{shown}");
    }
    let (status, _) = server.call("POST", "/api/v1/user", &" ".repeat(2 << 20)).await;
    assert!([400, 413].contains(&status), "{status}");
    server.assert_running();
}

async fn unknown_paths_and_methods_are_answered_as_json(topology: Topology) {
    let server = Server::start(topology).await;
    let (status, body) = server.call("GET", "/api/v1/nothing", "").await;
    assert_eq!(
        (status, body),
        (404, json!({ "error": "", "message": "Not Found", "status": 404 }))
    );
    let (status, body) = server.call("PATCH", "/api/v1/user", "").await;
    assert_eq!((status, &body["message"]), (405, &json!("Method not allowed")));
    let (status, body) = server.call("GET", "/api/v1/version", "").await;
    assert_eq!(status, 200);
    assert!(body["version"].is_string() && body["commit_hash"].is_string());
    let (status, body) = server.call("GET", "/api/v1/providerstatus", "").await;
    assert_eq!((status, &body["message"]), (200, &json!("Alive")));
}

async fn a_backup_restores_every_user(topology: Topology) {
    let server = Server::start(topology).await;
    let password = json!({ "password": "a secret word", "public_keys": [] });
    let alice = server.user_with("alice", password).await;
    server.user("bob").await;
    let (status, body) = server.call("GET", "/api/v1/dumpdata?output_file=all.json", "").await;
    assert_eq!((status, &body["message"]), (200, &json!("Data saved")));
    let file = server.folder().join("backups/all.json");
    let dump: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(dump["users"].as_array().unwrap().len(), 2);
    server.rest().delete_user(alice.id).await.unwrap();
    let query = format!("/api/v1/loaddata?input_file={}", file.display());
    let (status, body) = server.call("GET", &query, "").await;
    assert_eq!((status, &body["message"]), (200, &json!("Data restored")));
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.password("alice", "a secret word").await);
    for name in ["", "/tmp/x", "../x", "a/../../x"] {
        let query = format!("/api/v1/dumpdata?output_file={name}");
        assert_eq!(server.call("GET", &query, "").await.0, 400, "{name}");
    }
}

async fn a_quota_scan_counts_files(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("a/one", [0; 1000]);
    alice.put("two", [0; 234]);
    std::os::unix::fs::symlink("two", alice.path("link")).unwrap();
    let counts = async || server.used_quota(&alice).await;
    assert_eq!(counts().await, (0, 0));
    ferryd_tests::until("the scan", async || {
        let (status, _) =
            server.call("POST", "/api/v1/quota_scan", r#"{"username": "alice"}"#).await;
        // The node of a split server attaches when it likes.
        [201, 409].contains(&status).then_some(())
    })
    .await;
    ferryd_tests::until("the counts", async || (counts().await == (2, 1234)).then_some(())).await;
    let (status, _) = server.call("POST", "/api/v1/quota_scan", r#"{"username": "nobody"}"#).await;
    assert_eq!(status, 404);
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/three", &[0; 100]).await.unwrap();
    ferryd_tests::until("the upload", async || (counts().await == (3, 1334)).then_some(())).await;
    sftp.remove("/two").await.unwrap();
    ferryd_tests::until("the removal", async || (counts().await == (2, 1100)).then_some(())).await;
}
