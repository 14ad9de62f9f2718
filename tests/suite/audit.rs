//! What the log answers at its defaults: who logged in from where, what they moved, what was
//! refused and why.

use std::process::Command;

use ferryd_tests::keys::client_key;
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::{Connection, RawSftp, Server, Topology, both_topologies, until};
use serde_json::{Value, json};

both_topologies!(
    a_login_is_recorded_with_what_has_proved_it,
    the_end_of_a_session_is_recorded_with_what_it_moved,
    the_end_of_a_session_says_who_ended_it,
    what_an_account_may_not_do_is_recorded_as_information,
    what_fails_otherwise_is_recorded_as_a_warning,
    whether_something_exists_may_be_asked_without_a_record,
    a_transfer_that_is_cut_is_recorded_with_its_bytes,
    a_client_that_fails_all_the_time_cannot_flood_the_log,
    files_that_cannot_be_opened_are_no_failed_login,
    a_command_that_is_refused_is_recorded_by_its_name_alone,
    one_search_by_account_or_connection_finds_all,
);

const PASSWORD: &str = "correct horse battery staple";

fn pick(record: &Value, names: &[&str]) -> Vec<Value> {
    names.iter().map(|name| record[name].clone()).collect()
}

async fn a_login_is_recorded_with_what_has_proved_it(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user_with("alice", json!({ "password": PASSWORD })).await;
    server.sftp_batch(&alice, &[], "ls\n").await.assert_well();
    let by_key = server.record("login", |record| record["login_type"] == "publickey").await;
    let expected = json!(["info", "127.0.0.1", "alice", fingerprint()]);
    let names = ["level", "client_ip", "username", "key_fingerprint"];
    assert_eq!(json!(pick(&by_key, &names)), expected);
    assert!(by_key["client_version"].as_str().unwrap().contains("OpenSSH"), "{by_key}");
    server.sftp_with_password("alice", PASSWORD, "ls\n").await.assert_well();
    let by_password = server.record("login", |record| record["login_type"] == "password").await;
    assert_eq!(by_password["key_fingerprint"], "");
    assert!(by_password["client_port"].as_u64().unwrap() > 0);
    assert_ne!(by_key["connection_id"], by_password["connection_id"]);
    assert!(server.records().iter().all(|record| !record.to_string().contains(PASSWORD)));
}

/// As OpenSSH shows it.
fn fingerprint() -> String {
    let shown = Command::new("ssh-keygen").arg("-lf").arg(&client_key().file).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

async fn the_end_of_a_session_is_recorded_with_what_it_moved(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/file", &[7; 100_000]).await.unwrap();
    sftp.get("/file").await.unwrap();
    sftp.get("/file").await.unwrap();
    sftp.remove("/missing").await.unwrap_err();
    sftp.connection().close().await;
    let end = server.record("logout", |record| record["username"] == "alice").await;
    let names = ["level", "received_bytes", "sent_bytes", "failed_operations", "reason"];
    let expected = json!(["info", 100_000, 200_000, 1, "closed by the client"]);
    assert_eq!(json!(pick(&end, &names)), expected);
    assert!(end["elapsed_ms"].is_u64());
    let login = server.record("login", |record| record["username"] == "alice").await;
    assert_eq!(login["connection_id"], end["connection_id"]);
}

async fn the_end_of_a_session_says_who_ended_it(topology: Topology) {
    let mut server = Server::start(topology).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let _sftp = server.sftp_of(&alice).await;
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    let path = format!("/api/v1/connection/{}", listed.connection_id);
    assert_eq!(server.call("DELETE", &path, "").await.0, 200);
    let end = server.record("logout", |record| record["username"] == "alice").await;
    assert_eq!(end["reason"], "closed by the control plane");
    let _sftp = server.sftp_of(&bob).await;
    let log = server.programs().next().unwrap().log_file().to_owned();
    server.stop();
    let written = std::fs::read_to_string(log).unwrap();
    let records = written.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ends = records.filter(|record| record["sender"] == "logout");
    let end = ends.find(|record| record["username"] == "bob").expect("a record of the end");
    assert_eq!(end["reason"], "the server stops");
}

/// Waits for the record of an operation that has failed.
async fn failure(server: &Server, operation: &str) -> Value {
    server.record("operation_failed", |record| record["operation"] == operation).await
}

async fn what_an_account_may_not_do_is_recorded_as_information(topology: Topology) {
    let server = Server::start(topology).await;
    let rules = json!({
        "quota_size": 1000,
        "permissions": { "/": ["*"], "/ro": ["list", "download"] },
        "filters": { "file_extensions": [{ "path": "/", "denied_extensions": [".exe"] }] },
    });
    let alice = server.user_with("alice", rules).await;
    alice.make_folder("ro");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.mkdir("/ro/new").await.unwrap_err();
    sftp.rename("/a.txt", "/ro/./b.txt").await.unwrap_err();
    sftp.get("/virus.exe").await.unwrap_err();
    sftp.put("/large", &[7; 5000]).await.unwrap_err();
    let names = ["level", "username", "protocol", "virtual_path", "virtual_target_path", "error"];
    let cases = [
        ("mkdir", "/ro/new", "", "permission denied"),
        ("rename", "/a.txt", "/ro/b.txt", "permission denied"),
        ("download", "/virus.exe", "", "file extension not allowed: permission denied"),
    ];
    for (operation, path, target, error) in cases {
        let record = failure(&server, operation).await;
        let expected = json!(["info", "alice", "SFTP", path, target, error]);
        assert_eq!(json!(pick(&record, &names)), expected);
    }
    drop(sftp);
    let record = failure(&server, "upload").await;
    assert_eq!(pick(&record, &["level", "virtual_path"]), [json!("info"), json!("/large")]);
    assert!(record["error"].as_str().unwrap().contains("quota"), "{record}");
}

async fn what_fails_otherwise_is_recorded_as_a_warning(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("full/file", "x");
    let mut sftp = server.sftp_of(&alice).await;
    sftp.rmdir("/full").await.unwrap_err();
    sftp.mkdir("/full").await.unwrap_err();
    sftp.remove("/missing").await.unwrap_err();
    sftp.rename("/full/file", "/nowhere/file").await.unwrap_err();
    sftp.put("/nowhere/file", b"x").await.unwrap_err();
    sftp.get("/missing").await.unwrap_err();
    let cases = [
        ("rmdir", "/full", "directory not empty"),
        ("mkdir", "/full", "file already exists"),
        ("remove", "/missing", "no such file"),
        ("rename", "/full/file", "no such file"),
        ("upload", "/nowhere/file", "no such file"),
        ("download", "/missing", "no such file"),
    ];
    let listed = until("the session", async || server.connections_of("alice").await.pop()).await;
    for (operation, path, error) in cases {
        let record = failure(&server, operation).await;
        let found = pick(&record, &["level", "virtual_path", "connection_id", "size_bytes"]);
        assert_eq!(json!(found), json!(["warn", path, listed.connection_id, 0]));
        assert!(record["error"].as_str().unwrap().starts_with(error), "{record}");
    }
    let all = server.records().into_iter().filter(|record| record["sender"] == "operation_failed");
    assert_eq!(all.count(), cases.len(), "one record for each");
}

async fn whether_something_exists_may_be_asked_without_a_record(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.stat("/missing").await.unwrap_err();
    sftp.lstat("/missing/below").await.unwrap_err();
    sftp.readlink("/missing").await.unwrap_err();
    sftp.list("/missing").await.unwrap_err();
    sftp.remove("/missing").await.unwrap_err();
    failure(&server, "remove").await;
    let all = server.records().into_iter().filter(|record| record["sender"] == "operation_failed");
    assert_eq!(all.count(), 1);
}

async fn a_transfer_that_is_cut_is_recorded_with_its_bytes(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("source", [7; 5000]);
    let mut sftp = server.sftp_of(&alice).await;
    let upload = sftp.open("/half", flags::PUT).await.unwrap();
    sftp.write(&upload, 0, &[7; 1234]).await.unwrap();
    let download = sftp.open("/source", flags::READ).await.unwrap();
    sftp.read(&download, 0, 1000).await.unwrap();
    sftp.connection().close().await;
    for (operation, bytes, path) in [("upload", 1234, "/half"), ("download", 1000, "/source")] {
        let record = failure(&server, operation).await;
        let names = ["level", "size_bytes", "virtual_path", "error"];
        let expected = json!(["warn", bytes, path, "the client went away before the end"]);
        assert_eq!(json!(pick(&record, &names)), expected);
    }
}

async fn a_client_that_fails_all_the_time_cannot_flood_the_log(topology: Topology) {
    const FAILURES: u64 = 1000;
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let begin = std::time::Instant::now();
    for number in 0..FAILURES {
        sftp.remove(format!("/missing-{number}")).await.unwrap_err();
    }
    let most = 50 + begin.elapsed().as_secs() + 1;
    sftp.connection().close().await;
    let end = server.record("logout", |record| record["username"] == "alice").await;
    assert_eq!(end["failed_operations"], FAILURES);
    let records = server.records();
    let of = |sender: &str| -> Vec<&Value> {
        records.iter().filter(|record| record["sender"] == sender).collect()
    };
    let told = of("operation_failed").len() as u64;
    assert!(told <= most, "{told} records");
    let left_out = of("failures_left_out");
    let sum: u64 = left_out.iter().map(|record| record["left_out"].as_u64().unwrap()).sum();
    assert_eq!(told + sum, FAILURES);
    assert!(left_out.iter().all(|record| record["connection_id"] == end["connection_id"]));
}

async fn files_that_cannot_be_opened_are_no_failed_login(topology: Topology) {
    let server = Server::start(topology).await;
    let homes = server.home_of("department");
    server.user_with("alice", json!({ "home_dir": homes.join("alice") })).await;
    std::fs::remove_dir_all(&homes).unwrap();
    std::fs::write(&homes, "a file where a folder was").unwrap();
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key("alice", client_key()).await);
    let record = failure(&server, "login").await;
    assert_eq!(pick(&record, &["level", "username"]), [json!("warn"), json!("alice")]);
    let failed =
        |record: &Value| record["sender"] == "connection_failed" && record["username"] == "alice";
    assert!(!server.records().iter().any(failed), "nobody is to be banned for it");
}

async fn a_command_that_is_refused_is_recorded_by_its_name_alone(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let said = server.ssh(&alice, client_key(), &["mysql --password=hush"]).await;
    assert!(!said.well);
    let record = failure(&server, "exec").await;
    assert!(record["error"].as_str().unwrap().contains("\"mysql\""), "{record}");
    let said = server.ssh(&alice, client_key(), &["-s", "netconf"]).await;
    assert!(!said.well);
    let record = failure(&server, "service").await;
    assert!(record["error"].as_str().unwrap().contains("\"netconf\""), "{record}");
    assert!(server.records().iter().all(|record| !record.to_string().contains("hush")));
}

async fn one_search_by_account_or_connection_finds_all(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    work(&mut sftp).await;
    sftp.connection().close().await;
    let end = server.record("logout", |_| true).await;
    let id = end["connection_id"].as_str().unwrap().to_owned();
    let records = server.records();
    let senders = |key: &str, value: &str| -> Vec<String> {
        let told = ["login", "logout", "Upload", "Download", "Mkdir", "operation_failed"];
        let found = records.iter().filter(|record| record[key] == *value);
        let senders = found.map(|record| record["sender"].as_str().unwrap().to_owned());
        senders.filter(|sender| told.contains(&sender.as_str())).collect()
    };
    let expected = ["login", "Upload", "Download", "Mkdir", "operation_failed", "logout"];
    assert_eq!(senders("connection_id", &id), expected);
    assert_eq!(senders("username", "alice"), expected);
}

async fn work(sftp: &mut RawSftp) {
    sftp.put("/file", b"x").await.unwrap();
    sftp.get("/file").await.unwrap();
    sftp.mkdir("/folder").await.unwrap();
    sftp.mkdir("/folder").await.unwrap_err();
}
