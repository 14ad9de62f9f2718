//! Who gets in.

use std::time::{Duration, Instant};

use ferryd_tests::keys::{self, client_key, foreign_key};
use ferryd_tests::wait::until_within;
use ferryd_tests::{Connection, Server, Topology, both_topologies};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

both_topologies!(
    a_password_lets_in_and_a_wrong_one_does_not,
    sftp_of_openssh_gets_in_with_a_password,
    each_key_of_a_user_lets_in_and_a_foreign_one_does_not,
    keys_of_every_type_let_in,
    a_certificate_lets_nobody_in,
    a_user_without_password_is_refused_by_every_password,
    names_that_differ_in_case_are_different_users,
    a_disabled_and_an_expired_user_stay_out,
    an_address_that_is_not_allowed_stays_out,
    a_denied_method_is_refused,
    whoever_takes_too_long_to_log_in_is_disconnected,
    after_too_many_tries_the_server_disconnects,
    the_first_request_for_the_methods_is_free,
    at_the_limit_the_server_disconnects_by_itself,
    paramiko_does_not_wait_for_a_second_try_that_cannot_be_answered,
    a_user_has_no_more_sessions_than_allowed,
    the_banner_comes_before_the_login,
    the_name_of_the_server_can_be_set,
);

const PASSWORD: &str = "correct horse battery staple";

async fn a_password_lets_in_and_a_wrong_one_does_not(topology: Topology) {
    let server = Server::start(topology).await;
    server.user_with("alice", json!({ "password": PASSWORD })).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.password("alice", "wrong").await);
    assert!(!connection.password("alice", "").await);
    assert!(!connection.password("nobody", PASSWORD).await);
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.password("alice", PASSWORD).await);
    let mut sftp = connection.sftp().await;
    assert!(sftp.list("/").await.unwrap().is_empty());
}

async fn sftp_of_openssh_gets_in_with_a_password(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    alice.put("hello", "world");
    let said = server.sftp_with_password("alice", PASSWORD, "ls -1\n").await;
    said.assert_well();
    assert!(said.output.contains("hello"), "{said:?}");
    assert!(!server.sftp_with_password("alice", "wrong", "ls\n").await.well);
}

async fn each_key_of_a_user_lets_in_and_a_foreign_one_does_not(topology: Topology) {
    let server = Server::start(topology).await;
    let second = keys::make("ed25519", &[]);
    let lines = [&client_key().line, &second.line];
    let alice = server.user_with("alice", json!({ "public_keys": lines })).await;
    for key in [client_key(), &second] {
        let mut connection = Connection::open(server.sftp()).await;
        assert!(connection.offer_key("alice", key).await);
    }
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key("alice", foreign_key()).await);
    let fields = json!({ "public_keys": [client_key().line] });
    server.rest().update_user(alice.id, &fields).await.unwrap();
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key("alice", &second).await);
    assert!(connection.offer_key("alice", client_key()).await);
}

async fn keys_of_every_type_let_in(topology: Topology) {
    let server = Server::start(topology).await;
    let kinds = [
        keys::make("rsa", &["-b", "2048"]),
        keys::make("ecdsa", &["-b", "256"]),
        keys::make("ecdsa", &["-b", "384"]),
        keys::make("ecdsa", &["-b", "521"]),
        keys::make("ed25519", &[]),
    ];
    for (number, key) in kinds.iter().enumerate() {
        let name = format!("user{number}");
        let user = server.user_with(&name, json!({ "public_keys": [key.line] })).await;
        let said = server.ssh(&user, key, &["pwd"]).await;
        assert!(said.well && said.output == "/\n", "{}: {said:?}", key.line);
    }
}

async fn a_certificate_lets_nobody_in(topology: Topology) {
    let server = Server::start(topology).await;
    let (authority, key) = (keys::make("ed25519", &[]), keys::make("ed25519", &[]));
    let certificate = keys::certify(&authority, &key, "alice,bob");
    let option = format!("CertificateFile={}", certificate.display());
    let options = ["-i", key.file.to_str().unwrap(), "-o", &option];
    let alice = server.user_with("alice", json!({ "public_keys": [authority.line] })).await;
    let refused = server.sftp_batch(&alice, &options, "pwd").await;
    assert!(!refused.well && refused.errors.contains("denied"), "{refused:?}");
    // The key itself is offered behind its certificate.
    let bob = server.user_with("bob", json!({ "public_keys": [key.line] })).await;
    server.sftp_batch(&bob, &options, "pwd").await.assert_well();
}

async fn a_user_without_password_is_refused_by_every_password(topology: Topology) {
    let server = Server::start(topology).await;
    server.user("alice").await;
    let mut connection = Connection::open(server.sftp()).await;
    for password in ["", "x", "null"] {
        assert!(!connection.password("alice", password).await);
    }
}

async fn names_that_differ_in_case_are_different_users(topology: Topology) {
    let server = Server::start(topology).await;
    let lower = server.user("alice").await;
    let upper = server.user("Alice").await;
    lower.put("lower", "");
    upper.put("upper", "");
    for (user, file) in [(&lower, "lower"), (&upper, "upper")] {
        let listed = server.sftp_of(user).await.list("/").await.unwrap();
        assert_eq!(listed[0].name, file.as_bytes());
        assert_eq!(listed.len(), 1);
    }
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key("ALICE", client_key()).await);
}

async fn a_disabled_and_an_expired_user_stay_out(topology: Topology) {
    let server = Server::start(topology).await;
    server.user_with("disabled", json!({ "status": 0 })).await;
    server.user_with("expired", json!({ "expiration_date": 1_000_000_000_000_i64 })).await;
    server.user_with("current", json!({ "expiration_date": 32_000_000_000_000_i64 })).await;
    for (name, gets_in) in [("disabled", false), ("expired", false), ("current", true)] {
        let mut connection = Connection::open(server.sftp()).await;
        assert_eq!(connection.offer_key(name, client_key()).await, gets_in, "{name}");
    }
}

async fn an_address_that_is_not_allowed_stays_out(topology: Topology) {
    let server = Server::start(topology).await;
    let cases = [
        ("elsewhere", json!({ "allowed_ip": ["192.0.2.0/24"] }), false),
        ("here", json!({ "allowed_ip": ["127.0.0.0/8"] }), true),
        ("banned", json!({ "denied_ip": ["127.0.0.1/32"] }), false),
        ("both", json!({ "allowed_ip": ["127.0.0.0/8"], "denied_ip": ["127.0.0.1/32"] }), false),
        ("six", json!({ "denied_ip": ["::/0"] }), true),
    ];
    for (name, filters, gets_in) in cases {
        server.user_with(name, json!({ "filters": filters })).await;
        let mut connection = Connection::open(server.sftp()).await;
        assert_eq!(connection.offer_key(name, client_key()).await, gets_in, "{name}");
    }
}

async fn a_denied_method_is_refused(topology: Topology) {
    let server = Server::start(topology).await;
    let filters = json!({ "denied_login_methods": ["publickey"] });
    server.user_with("alice", json!({ "password": PASSWORD, "filters": filters })).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert_eq!(connection.methods("alice").await, ["publickey", "password"]);
    assert!(!connection.offer_key("alice", client_key()).await);
    assert!(connection.password("alice", PASSWORD).await);
}

async fn whoever_takes_too_long_to_log_in_is_disconnected(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "login_grace_time": 2 } })).await;
    let alice = server.user("alice").await;
    let mut in_time = server.sftp_of(&alice).await;
    let begin = Instant::now();
    let mut silent = TcpStream::connect(server.sftp()).await.unwrap();
    let halfway = Connection::open(server.sftp()).await;
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(20), silent.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the silent connection is still open");
    assert!(begin.elapsed() >= Duration::from_millis(1_500), "{:?}", begin.elapsed());
    until_within(Duration::from_secs(20), "the end of the unfinished login", async || {
        halfway.is_closed().await.then_some(())
    })
    .await;
    in_time.list("/").await.unwrap();
}

async fn after_too_many_tries_the_server_disconnects(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "max_auth_tries": 3 } })).await;
    server.user_with("alice", json!({ "password": PASSWORD })).await;
    let mut connection = Connection::open(server.sftp()).await;
    // A client that is thrown out learns it late; the log tells how many tries were looked at.
    for _ in 0..6 {
        assert!(!connection.password("alice", "wrong").await);
    }
    ferryd_tests::until("the end of the connection", async || {
        connection.is_closed().await.then_some(())
    })
    .await;
    let tries = async || {
        let records = server.records().into_iter();
        let count = records.filter(|record| record["login_type"] == "password").count();
        assert!(count <= 3, "{count} tries");
        (count == 3).then_some(())
    };
    ferryd_tests::until("the records of three tries", tries).await;
    assert!(!connection.password("alice", PASSWORD).await);
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.password("alice", "wrong").await);
    assert!(!connection.password("alice", "wrong").await);
    assert!(connection.password("alice", PASSWORD).await, "the third try counts");
}

async fn the_first_request_for_the_methods_is_free(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "max_auth_tries": 1 } })).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.methods("alice").await.is_empty());
    assert!(connection.password("alice", PASSWORD).await);
    // OpenSSH always asks for the methods first.
    server.sftp_batch(&alice, &[], "ls\n").await.assert_well();
    let mut connection = Connection::open(server.sftp()).await;
    connection.methods("alice").await;
    connection.methods("alice").await;
    assert!(!connection.password("alice", PASSWORD).await, "the second request counts");
}

async fn at_the_limit_the_server_disconnects_by_itself(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "max_auth_tries": 2 } })).await;
    server.user("alice").await;
    for asks_first in [true, false] {
        let mut connection = Connection::open(server.sftp()).await;
        if asks_first {
            connection.methods("alice").await;
        }
        assert!(!connection.password("alice", "wrong").await);
        assert!(!connection.is_closed().await);
        assert!(!connection.offer_key("alice", foreign_key()).await, "a refused key counts");
        until_within(Duration::from_secs(20), "the end of the connection", async || {
            connection.is_closed().await.then_some(())
        })
        .await;
    }
}

async fn paramiko_does_not_wait_for_a_second_try_that_cannot_be_answered(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    let said = server.python("paramiko_tries.py", &alice, &[PASSWORD]).await;
    said.assert_well();
    let lines: Vec<&str> = said.output.lines().collect();
    assert_eq!(lines, ["Transport refused ended", "ServiceRequestingTransport refused in"]);
    let told = server.record("sftpd", |record| record.get("hint").is_some()).await;
    assert_eq!(told["level"], "warn");
    assert!(told["hint"].as_str().unwrap().contains("Paramiko"), "{told}");
}

async fn a_user_has_no_more_sessions_than_allowed(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "max_sessions": 2 })).await;
    let first = server.sftp_of(&alice).await;
    let mut second = server.sftp_of(&alice).await;
    let mut third = Connection::open(server.sftp()).await;
    assert!(!third.offer_key("alice", client_key()).await);
    second.list("/").await.unwrap();
    first.connection().close().await;
    drop(first);
    until_within(Duration::from_secs(20), "the place of the first session", async || {
        let mut connection = Connection::open(server.sftp()).await;
        connection.offer_key("alice", client_key()).await.then_some(())
    })
    .await;
}

async fn the_banner_comes_before_the_login(topology: Topology) {
    let text = "Private property.\nKeep out.\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let config = json!({ "sftpd": { "login_banner_file": file.path() } });
    let server = Server::with(topology, config).await;
    let mut connection = Connection::open(server.sftp()).await;
    connection.methods("nobody").await;
    assert!(!connection.password("nobody", "x").await);
    let said = connection.banners().concat().replace("\r\n", "\n");
    assert_eq!(said, text, "once, whole");
}

async fn the_name_of_the_server_can_be_set(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "banner": "Ferry_7" } })).await;
    let mut stream = TcpStream::connect(server.sftp()).await.unwrap();
    let mut line = vec![0; 17];
    stream.read_exact(&mut line).await.unwrap();
    assert_eq!(line, b"SSH-2.0-Ferry_7\r\n");
}
