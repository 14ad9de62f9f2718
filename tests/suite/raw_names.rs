//! Names that are not UTF-8, as clients with an older character set send them: whoever is told of
//! them gets the bytes, so that the file can be found.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use ferryd_domain::raw_path::base64_unless_text;
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wire::Fields;
use ferryd_tests::{Server, Topology, both_topologies, until};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

both_topologies!(
    a_program_is_given_the_bytes_of_a_name,
    a_service_is_given_the_bytes_of_a_name,
    log_and_connection_list_carry_the_bytes_beside_the_text,
);

/// `café` in ISO 8859-1 and in UTF-8.
const LATIN1: &[u8] = b"/caf\xe9";
const UTF8: &[u8] = "/café".as_bytes();

async fn a_program_is_given_the_bytes_of_a_name(topology: Topology) {
    let folder = ferryd_tests::files::temporary_folder("action");
    let program = folder.path().join("action");
    // Whether the file is there tells more than bytes that only look right.
    let script = r#"#!/bin/sh
test "$3" = "$SFTPGO_ACTION_PATH" && test "$4" = "$FERRYD_ACTION_TARGET" || exit 1
test -e "${4:-$3}" && printf '%s %s %s\n' "$1" "$3" "$4" >> "${0%/*}/found"
"#;
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let actions = json!({ "execute_on": ["upload", "rename"], "command": program });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let found = || std::fs::read(folder.path().join("found")).unwrap_or_default();
    let home = server.home_of("alice").canonicalize().unwrap();
    let line = |action: &str, path: &[u8], target: &[u8]| {
        let home = home.as_os_str().as_bytes();
        let target = if target.is_empty() { Vec::new() } else { [home, target].concat() };
        [action.as_bytes(), b" ", home, path, b" ", &target, b"\n"].concat()
    };
    let mut expected = Vec::new();
    for name in [LATIN1, UTF8] {
        sftp.put(name, b"12345").await.unwrap();
        expected.extend(line("upload", name, b""));
        until("the upload's program", async || (found() == expected).then_some(())).await;
    }
    let moved = b"/\xff\xfe moved";
    sftp.request(18, Fields::new().string(LATIN1).string(moved)).await.unwrap();
    expected.extend(line("rename", LATIN1, moved));
    until("the rename's program", async || (found() == expected).then_some(())).await;
}

async fn a_service_is_given_the_bytes_of_a_name(topology: Topology) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/told?token=a%20b", listener.local_addr().unwrap());
    let actions = json!({ "execute_on": ["upload"], "http_notification_url": url });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    server.sftp_of(&alice).await.put(LATIN1, b"12345").await.unwrap();
    let (mut stream, _) = ferryd_tests::wait::soon("the notice", listener.accept()).await.unwrap();
    let mut request = vec![0; 4096];
    let count = stream.read(&mut request).await.unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    let request = String::from_utf8(request[..count].to_vec()).unwrap();
    let query = "/told?token=a%20b&action=upload&username=alice&path=%2F";
    assert!(request.starts_with(&format!("GET {query}")), "{request}");
    assert!(request.contains("%2Fcaf%E9&local_file=true&file_size=5 "), "{request}");
}

async fn log_and_connection_list_carry_the_bytes_beside_the_text(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open(LATIN1, flags::PUT).await.unwrap();
    let other = sftp.open(UTF8, flags::PUT).await.unwrap();
    let (_, list) = server.call("GET", "/api/v1/connection", "").await;
    let transfers = list[0]["active_transfers"].as_array().unwrap();
    let latin1 = transfers.iter().find(|t| t["path"] == "/caf\u{fffd}").unwrap();
    assert_eq!(latin1["path_base64"], "L2NhZuk=", "{list}");
    let utf8 = transfers.iter().find(|t| t["path"] == "/café").unwrap();
    assert_eq!(utf8.get("path_base64"), None, "{list}");
    sftp.close(&handle).await.unwrap();
    sftp.close(&other).await.unwrap();
    let ends_with = |end: &str| {
        let end = end.to_owned();
        move |record: &serde_json::Value| record["file_path"].as_str().unwrap().ends_with(&end)
    };
    let record = server.record("Upload", ends_with("/caf\u{fffd}")).await;
    let home = server.home_of("alice").canonicalize().unwrap();
    let path = [home.as_os_str().as_bytes(), LATIN1].concat();
    assert_eq!(record["file_path_base64"], json!(base64_unless_text(&path)), "{record}");
    let record = server.record("Upload", ends_with("/café")).await;
    assert_eq!(record.get("file_path_base64"), None, "{record}");
    sftp.remove(LATIN1).await.unwrap();
    let record = server.record("Remove", ends_with("/caf\u{fffd}")).await;
    assert_eq!(record["file_path_base64"], json!(base64_unless_text(&path)), "{record}");
}
