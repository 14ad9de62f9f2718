//! The whole way of a line: from the record functions and the `tracing` macros into the file.
//! One test, because a process has one log.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, UNIX_EPOCH};

use ferryd_telemetry::records::{self, CommandRecord, CommandSender};
use ferryd_telemetry::{Direction, LogSettings, Verbosity};
use serde_json::Value;

/// Returns the keys in the order of the line; `Value` would sort them.
fn keys(line: &str) -> Vec<String> {
    let mut keys: Vec<_> = serde_json::from_str::<serde_json::Map<String, Value>>(line)
        .unwrap_or_default()
        .keys()
        .map(|key| (line.find(&format!("\"{key}\":")), key.clone()))
        .collect();
    keys.sort();
    keys.into_iter().map(|(_, key)| key).collect()
}

fn write_all_kinds() {
    records::transfer(&records::TransferRecord {
        direction: Direction::Upload,
        elapsed: Duration::from_millis(12),
        size_bytes: 34,
        username: "bob\"\n",
        file_path: b"/srv/bob/a",
        connection_id: "c1",
        protocol: "SFTP",
    });
    records::command(&CommandRecord {
        sender: CommandSender::Chtimes,
        access_time: Some(UNIX_EPOCH + Duration::from_secs(1_000_000)),
        modification_time: Some(UNIX_EPOCH + Duration::from_secs(2_000_000)),
        ..CommandRecord::default()
    });
    records::connection_failed(&records::ConnectionFailedRecord {
        client_ip: IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0001]),
        username: "",
        login_type: records::NO_AUTH_TRIED,
        error: "timeout",
    });
    records::http(&records::HttpRecord {
        remote_addr: "127.0.0.1:1",
        proto: "HTTP/1.1",
        method: "GET",
        user_agent: "test",
        uri: "http://localhost/",
        resp_status: 200,
        resp_size: 2,
        elapsed: Duration::from_millis(1),
        request_id: "r1",
    });
    let client = SocketAddr::new(IpAddr::from([0, 0, 0, 0, 0, 0xffff, 0x0a00, 0x0001]), 4000);
    records::login(&records::LoginRecord {
        client,
        username: "bob",
        login_type: "publickey",
        key_fingerprint: "SHA256:abc",
        client_version: "SSH-2.0-test",
        connection_id: "c1",
    });
    records::operation_failed(&records::OperationFailedRecord {
        obstacle: records::Obstacle::Rules,
        operation: "upload",
        username: "bob",
        virtual_path: "/a",
        virtual_target_path: "",
        size_bytes: 5,
        connection_id: "c1",
        protocol: "SFTP",
        error: "permission denied",
    });
    records::failures_left_out(&records::FailuresLeftOutRecord {
        left_out: 3,
        username: "bob",
        connection_id: "c1",
    });
    records::logout(&records::LogoutRecord {
        client,
        username: "bob",
        elapsed: Duration::from_secs(1),
        received_bytes: 5,
        sent_bytes: 0,
        failed_operations: 4,
        reason: "closed by the client",
        connection_id: "c1",
    });
    tracing::info!(target: "ferryd", sender = "service", connection_id = "c2", port = 7, "started");
    tracing::debug!(target: "ferryd", "not wanted");
    tracing::info!(target: "somebody_else", "not ours");
}

#[test]
fn each_kind_has_its_fields_in_their_order_and_terse_logs_keep_failed_connections() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ferryd.log");
    let settings = LogSettings {
        file: Some(file.clone()),
        verbosity: Verbosity::Terse,
        ..LogSettings::default()
    };
    let guard = ferryd_telemetry::init(&settings).unwrap();
    assert!(ferryd_telemetry::init(&settings).is_err(), "a process has one log");
    write_all_kinds();
    let panicked = std::thread::spawn(|| panic!("seen in the log")).join();
    assert!(panicked.is_err());
    drop(guard);
    let text = std::io::read_to_string(std::fs::OpenOptions::new().read(true).open(&file).unwrap())
        .unwrap();
    let lines: Vec<_> = text.lines().collect();
    let wanted = [
        "level time sender elapsed_ms size_bytes username file_path connection_id protocol",
        "level time sender username file_path target_path filemode uid gid access_time \
         modification_time ssh_command connection_id protocol",
        "level time sender client_ip username login_type error",
        "level time sender remote_addr proto method user_agent uri resp_status resp_size \
         elapsed_ms request_id",
        "level time sender client_ip client_port username login_type key_fingerprint \
         client_version connection_id",
        "level time sender operation username virtual_path virtual_target_path size_bytes \
         connection_id protocol error",
        "level time sender left_out username connection_id",
        "level time sender client_ip client_port username elapsed_ms received_bytes sent_bytes \
         failed_operations reason connection_id",
        "level time sender connection_id message port",
        "level time sender connection_id message place reason",
    ];
    let found: Vec<_> = lines.iter().map(|line| keys(line).join(" ")).collect();
    assert_eq!(found, wanted);
    let value = |line: usize, key: &str| -> Value {
        serde_json::from_str::<Value>(lines[line]).unwrap()[key].clone()
    };
    assert_eq!(value(0, "sender"), "Upload");
    assert_eq!(value(0, "username"), "bob\"\n");
    assert_eq!(value(1, "uid"), -1);
    assert_ne!(value(1, "access_time"), value(1, "modification_time"));
    assert_eq!(value(2, "level"), "debug");
    assert_eq!(value(2, "client_ip"), "10.0.0.1");
    assert_eq!(value(3, "sender"), "httpd");
    assert_eq!((value(4, "level"), value(4, "client_ip")), ("info".into(), "10.0.0.1".into()));
    assert_eq!((value(5, "level"), value(6, "level")), ("info".into(), "warn".into()));
    assert_eq!(value(8, "message"), "started");
    assert_eq!(value(9, "reason"), "seen in the log");
}
