//! What administrators and their tools see: log records, metrics.

use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wire::Attributes;
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::{Value, json};

both_topologies!(
    a_transfer_is_recorded_with_its_file_and_its_bytes,
    each_change_is_recorded_under_its_name,
    a_failed_login_is_recorded_in_the_order_that_filters_expect,
    a_name_cannot_start_a_line_of_the_log,
    a_connection_without_login_is_recorded,
    metrics_count_transfers_and_logins,
    the_metrics_page_can_be_parsed,
    every_record_has_level_time_and_sender,
);

const PASSWORD: &str = "correct horse battery staple";

fn fields<const N: usize>(record: &Value, names: [&str; N]) -> [Value; N] {
    names.map(|name| record[name].clone())
}

async fn a_transfer_is_recorded_with_its_file_and_its_bytes(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": 1 } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/file", &[7; 1234]).await.unwrap();
    sftp.get("/file").await.unwrap();
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    for sender in ["Upload", "Download"] {
        let record = server.record(sender, |_| true).await;
        let names = ["level", "username", "file_path", "size_bytes", "protocol", "connection_id"];
        let path = alice.path("file");
        let expected = [
            json!("info"),
            json!("alice"),
            json!(path),
            json!(1234),
            json!("SFTP"),
            json!(listed.connection_id),
        ];
        assert_eq!(fields(&record, names), expected);
        assert!(record["elapsed_ms"].is_u64(), "{record}");
    }
}

async fn each_change_is_recorded_under_its_name(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "x");
    let mut sftp = server.sftp_of(&alice).await;
    let mode = Attributes { mode: Some(0o600), ..Attributes::default() };
    let times = Attributes { times: Some((1_000_000_000, 1_100_000_000)), ..Attributes::default() };
    sftp.mkdir("/folder").await.unwrap();
    sftp.rename("/file", "/folder/moved").await.unwrap();
    sftp.symlink("/folder/moved", "/link").await.unwrap();
    sftp.set("/folder/moved", mode).await.unwrap();
    sftp.set("/folder/moved", times).await.unwrap();
    sftp.remove("/folder/moved").await.unwrap();
    sftp.rmdir("/folder").await.unwrap();
    assert!(sftp.remove("/missing").await.is_err());
    let cases = [
        ("Mkdir", alice.path("folder"), None),
        ("Rename", alice.path("file"), Some(alice.path("folder/moved"))),
        ("Chmod", alice.path("folder/moved"), None),
        ("Chtimes", alice.path("folder/moved"), None),
        ("Remove", alice.path("folder/moved"), None),
        ("Rmdir", alice.path("folder"), None),
    ];
    for (sender, path, target) in cases {
        let record = server.record(sender, |_| true).await;
        assert_eq!(record["file_path"], json!(path), "{record}");
        let target = target.map_or(json!(""), |target| json!(target));
        assert_eq!(record["target_path"], target, "{record}");
        for (name, unused) in [("uid", json!(-1)), ("gid", json!(-1)), ("ssh_command", json!(""))] {
            assert_eq!(record[name], unused, "{record}");
        }
    }
    let chmod = server.record("Chmod", |_| true).await;
    assert_eq!(chmod["filemode"], "-rw-------");
    let chtimes = server.record("Chtimes", |_| true).await;
    assert_ne!(chtimes["access_time"], chtimes["modification_time"]);
    assert!(chtimes["modification_time"].as_str().unwrap().starts_with("2004-11-"));
    server.record("Symlink", |_| true).await;
    let removals = server.records().into_iter().filter(|record| record["sender"] == "Remove");
    assert_eq!(removals.count(), 1, "only what succeeded is recorded");
}

async fn a_failed_login_is_recorded_in_the_order_that_filters_expect(topology: Topology) {
    let server = Server::start(topology).await;
    server.user_with("alice", json!({ "password": PASSWORD })).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.password("alice", "not the word").await);
    let record = server.record("connection_failed", |record| record["username"] == "alice").await;
    assert_eq!(
        fields(&record, ["level", "client_ip", "login_type"]),
        [json!("debug"), json!("127.0.0.1"), json!("password")]
    );
    let file = match topology {
        Topology::Single => "ferryd.log",
        Topology::Split => "sftp-node.log",
    };
    let log = std::fs::read_to_string(server.folder().join(file)).unwrap();
    let order = r#""sender":"connection_failed","client_ip":"127.0.0.1","username":"alice","login_type":"password","error":"#;
    assert!(log.contains(order), "{log}");
    assert!(!log.contains("not the word"), "a password is in the log");
}

async fn a_name_cannot_start_a_line_of_the_log(topology: Topology) {
    let server = Server::start(topology).await;
    let name = "x\n{\"sender\":\"forged\"}\r\u{1b}[2J\u{2028}\"";
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.password(name, "x").await);
    server.record("connection_failed", |record| record["username"] == name).await;
    assert!(server.records().iter().all(|record| record["sender"] != "forged"));
}

async fn a_connection_without_login_is_recorded(topology: Topology) {
    let server = Server::start(topology).await;
    let connection = Connection::open(server.sftp()).await;
    connection.close().await;
    drop(connection);
    let record =
        server.record("connection_failed", |record| record["login_type"] == "no_auth_tryed").await;
    assert_eq!(fields(&record, ["username", "client_ip"]), [json!(""), json!("127.0.0.1")]);
}

async fn metrics_count_transfers_and_logins(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.password("alice", "wrong").await);
    assert!(connection.password("alice", PASSWORD).await);
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/file", &[7; 1000]).await.unwrap();
    sftp.put("/empty", b"").await.unwrap();
    sftp.get("/file").await.unwrap();
    let handle = sftp.open("/broken", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, &[7; 10]).await.unwrap();
    sftp.connection().close().await;
    drop(sftp);
    let cases = [
        ("uploads_total", 2.0),
        ("downloads_total", 1.0),
        ("upload_errors_total", 1.0),
        ("upload_size", 1010.0),
        ("download_size", 1000.0),
        ("password_login_attempts_total", 2.0),
        ("password_login_ok_total", 1.0),
        ("password_login_ko_total", 1.0),
        ("public_key_login_attempts_total", 1.0),
        ("public_key_login_ok_total", 1.0),
        ("login_attempts_total", 3.0),
        ("login_ok_total", 2.0),
        ("login_ko_total", 1.0),
        ("dataprovider_availability", 1.0),
    ];
    for (name, value) in cases {
        let name = format!("sftpgo_{name}");
        until(&format!("{name} {value}"), async || {
            (server.metric(&name).await == Some(value)).then_some(())
        })
        .await;
    }
}

async fn the_metrics_page_can_be_parsed(topology: Topology) {
    let server = Server::start(topology).await;
    let text = server.get("/metrics").await;
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        value.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        names.push(name.split('{').next().unwrap().to_owned());
    }
    for name in ["process_resident_memory_bytes", "process_open_fds", "sftpgo_http_req_total"] {
        assert!(names.iter().any(|known| known == name), "{name}");
    }
}

async fn every_record_has_level_time_and_sender(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    server.sftp_of(&alice).await.put("/file", b"x").await.unwrap();
    server.record("Upload", |_| true).await;
    for record in server.records() {
        let level = record["level"].as_str().unwrap();
        assert!(["debug", "info", "warn", "error"].contains(&level), "{record}");
        let time = record["time"].as_str().unwrap();
        assert_eq!((time.len(), &time[10..11], &time[19..20]), (23, "T", "."), "{record}");
        assert!(record["sender"].as_str().is_some_and(|sender| !sender.is_empty()), "{record}");
    }
}
