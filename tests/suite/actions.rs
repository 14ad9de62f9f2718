//! Notices that go slowly or not at all: nobody waits for them, and the end of the server tells
//! what it can and names the rest.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ferryd_tests::raw_sftp::RawSftp;
use ferryd_tests::{Server, Topology, User, both_topologies, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

both_topologies!(
    what_is_being_told_at_the_end_of_the_server_is_told,
    the_end_of_the_server_names_each_notice_that_it_drops,
    a_service_that_is_away_is_tried_again,
    a_service_that_never_answers_delays_nobody,
    a_notice_that_is_refused_is_logged_without_secrets,
    a_program_that_fails_is_logged_with_its_event,
);

/// A program that is told of uploads.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let script = Self { folder: ferryd_tests::files::temporary_folder("action") };
        std::fs::write(script.path(), format!("#!/bin/sh\n{text}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(script.path(), executable).unwrap();
        script
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("action")
    }

    /// Returns the lines of a file beside the program.
    fn lines(&self, name: &str) -> usize {
        let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        text.lines().count()
    }
}

async fn start(topology: Topology, command: Option<&Script>, url: &str) -> (Server, User) {
    let actions = json!({
        "execute_on": ["upload"],
        "command": command.map(Script::path),
        "http_notification_url": url,
    });
    let mut changes = json!({ "sftpd": { "actions": actions } });
    if command.is_none() {
        changes["sftpd"]["actions"]["command"] = json!("");
    }
    let server = Server::with(topology, changes).await;
    let alice = server.user("alice").await;
    (server, alice)
}

async fn upload(sftp: &mut RawSftp, count: usize) {
    for number in 0..count {
        sftp.put(format!("/file-{number}"), b"12345").await.unwrap();
    }
}

/// Returns what the process that tells the actions has logged of them.
fn told_of_actions(server: &Server) -> Vec<Value> {
    let name = match server.topology() {
        Topology::Single => "ferryd.log",
        Topology::Split => "control-api.log",
    };
    let log = std::fs::read_to_string(server.folder().join(name)).unwrap();
    let records = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    records.filter(|record| record["sender"] == "actions").collect()
}

async fn what_is_being_told_at_the_end_of_the_server_is_told(topology: Topology) {
    let script = Script::new("echo >> \"${0%/*}/begun\"\nsleep 1\necho >> \"${0%/*}/ended\"");
    let (mut server, alice) = start(topology, Some(&script), "").await;
    upload(&mut server.sftp_of(&alice).await, 5).await;
    until("the programs", async || (script.lines("begun") == 5).then_some(())).await;
    tokio::task::spawn_blocking(move || server.end()).await.unwrap();
    assert_eq!(script.lines("ended"), 5);
}

async fn the_end_of_the_server_names_each_notice_that_it_drops(topology: Topology) {
    let mark = format!("45{}", std::process::id());
    let script =
        Script::new(&format!("sleep {mark} &\necho $! $$ >> \"${{0%/*}}/begun\"\nsleep {mark}"));
    let (mut server, alice) = start(topology, Some(&script), "").await;
    // More than run at once, so that some are running and some wait.
    upload(&mut server.sftp_of(&alice).await, 40).await;
    until("the programs", async || (script.lines("begun") == 32).then_some(())).await;
    let begin = Instant::now();
    let server = tokio::task::spawn_blocking(move || {
        server.end();
        server
    });
    let server = server.await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    let records = told_of_actions(&server);
    let dropped = records.iter().filter(|r| r["message"] == "an event is dropped at the shutdown");
    let ids: std::collections::BTreeSet<_> = dropped.map(|r| r["event"].to_string()).collect();
    assert_eq!(ids.len(), 40, "{records:#?}");
    assert_eq!(script.lines("begun"), 32, "none is started in the meantime");
    let begun = std::fs::read_to_string(script.folder.path().join("begun")).unwrap();
    let alive = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.is_ok_and(|stat| !stat.contains(") Z "))
    };
    until("the end of the programs", async || (!begun.split_whitespace().any(alive)).then_some(()))
        .await;
}

/// Reads one request and answers it.
async fn answer(stream: &mut TcpStream) -> String {
    let mut request = vec![0; 4096];
    let count = stream.read(&mut request).await.unwrap();
    let reply = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(reply).await.unwrap();
    String::from_utf8_lossy(&request[..count]).lines().next().unwrap_or_default().to_owned()
}

async fn a_service_that_is_away_is_tried_again(topology: Topology) {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (server, alice) = start(topology, None, &format!("http://{address}/told")).await;
    let mut sftp = server.sftp_of(&alice).await;
    let begin = Instant::now();
    upload(&mut sftp, 1).await;
    sftp.list("/").await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let listener = TcpListener::bind(address).await.unwrap();
    let told = ferryd_tests::wait::soon("the notice", async {
        let (mut stream, _) = listener.accept().await.unwrap();
        answer(&mut stream).await
    })
    .await;
    assert!(told.starts_with("GET /told?action=upload&username=alice&path="), "{told}");
}

async fn a_service_that_never_answers_delays_nobody(topology: Topology) {
    const AT_ONCE: usize = 32;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (server, alice) = start(topology, None, &url).await;
    let mut sftp = server.sftp_of(&alice).await;
    let begin = Instant::now();
    upload(&mut sftp, AT_ONCE + 8).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let mut held = Vec::new();
    for _ in 0..AT_ONCE {
        let accepted = ferryd_tests::wait::soon("a notice", listener.accept()).await;
        held.push(accepted.unwrap().0);
    }
    let more = tokio::time::timeout(Duration::from_millis(500), listener.accept()).await;
    assert!(more.is_err(), "no more than {AT_ONCE} at once");
    for mut stream in held {
        answer(&mut stream).await;
    }
    for _ in 0..8 {
        let (mut stream, _) =
            ferryd_tests::wait::soon("a notice", listener.accept()).await.unwrap();
        answer(&mut stream).await;
    }
}

/// Answers every request with a status until it is dropped.
fn refuse(listener: TcpListener, status: &'static str) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let _ = stream.read(&mut request).await;
            let reply =
                format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
}

/// Waits for the record of a failed action of a kind.
async fn failed(server: &Server, action: &str) -> Value {
    until("the record of the action", async || {
        let mut records = told_of_actions(server).into_iter();
        records.find(|r| r["message"] == "an action failed" && r["action"] == action)
    })
    .await
}

async fn a_notice_that_is_refused_is_logged_without_secrets(topology: Topology) {
    for status in ["404 Not Found", "500 Internal Server Error"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let url = format!("http://name:hidden1@{host}/hidden2?token=hidden3");
        let _service = refuse(listener, status);
        let actions = |name: &str| json!({ "execute_on": [name], "http_notification_url": url });
        let changes = json!({
            "sftpd": { "actions": actions("upload") },
            "data_provider": { "actions": actions("add") },
        });
        let server = Server::with(topology, changes).await;
        let alice = server.user("alice").await;
        upload(&mut server.sftp_of(&alice).await, 1).await;
        let path = server.home_of("alice").canonicalize().unwrap().join("file-0");
        for (action, path) in [("add", ""), ("upload", path.to_str().unwrap())] {
            let record = failed(&server, action).await;
            assert_eq!(record["level"], "warn");
            assert_eq!(
                (&record["username"], &record["file_path"]),
                (&json!("alice"), &json!(path))
            );
            assert_eq!(record["host"], json!(host), "{record}");
            assert_eq!(record["status"].to_string(), status[..3], "{record}");
            assert_eq!(record["attempt"], 1);
            assert!(!record["event"].as_str().unwrap().is_empty());
            assert!(!record.to_string().contains("hidden"), "{record}");
        }
        until("the metrics", async || {
            let errors = server.metric("sftpgo_action_notification_errors_total").await?;
            ((errors - 2.0).abs() < 0.1).then_some(())
        })
        .await;
        assert_eq!(server.metric("sftpgo_action_notifications_total").await, Some(0.0));
    }
}

async fn a_program_that_fails_is_logged_with_its_event(topology: Topology) {
    let script = Script::new("exit 3");
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{address}/hidden");
    let (server, alice) = start(topology, Some(&script), &url).await;
    upload(&mut server.sftp_of(&alice).await, 1).await;
    let records = until("a record per attempt", async || {
        let records = told_of_actions(&server);
        let away =
            records.iter().any(|r| r["host"] == json!(address.to_string()) && r["attempt"] == 2);
        (away && records.iter().any(|r| r["program"] != "")).then_some(records)
    })
    .await;
    let program = records.iter().find(|r| r["program"] != "").unwrap();
    assert_eq!(program["program"], json!(script.path()), "{program}");
    assert_eq!((&program["username"], &program["host"]), (&json!("alice"), &json!("")));
    assert!(program["file_path"].as_str().unwrap().ends_with("/file-0"), "{program}");
    assert!(program["error"].as_str().unwrap().contains("exit status: 3"), "{program}");
    let away = records.iter().find(|r| r["host"] != "").unwrap();
    assert_eq!((&away["attempt"], &away["status"]), (&json!(1), &json!(-1)), "{away}");
    assert!(!away["error"].as_str().unwrap().is_empty() && !away.to_string().contains("hidden"));
    assert_eq!(server.metric("sftpgo_action_command_errors_total").await, Some(1.0));
}
