//! Accounts that may upload and not list: what they see of what they have just written.

use ferryd_tests::files::temporary_folder;
use ferryd_tests::raw_sftp::{code, flags};
use ferryd_tests::wire::Attributes;
use ferryd_tests::{Server, Topology, both_topologies};
use serde_json::json;

both_topologies!(
    the_owner_of_a_handle_sees_the_size_alone,
    a_path_just_written_shows_its_size_to_its_session_alone,
    paramiko_puts_a_file_where_it_may_not_list,
);

async fn start(topology: Topology, mode: i64) -> (Server, ferryd_tests::User) {
    let server = Server::with(topology, json!({ "sftpd": { "upload_mode": mode } })).await;
    let permissions = json!({ "/": ["upload", "overwrite", "download", "delete"] });
    let alice = server.user_with("alice", json!({ "permissions": permissions })).await;
    (server, alice)
}

fn size_alone(size: u64) -> Attributes {
    Attributes { size: Some(size), ..Attributes::default() }
}

async fn the_owner_of_a_handle_sees_the_size_alone(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        alice.put("old", "0123456789");
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open("/new", flags::PUT).await.unwrap();
        sftp.write(&handle, 0, b"12345").await.unwrap();
        assert_eq!(sftp.fstat(&handle).await.unwrap(), size_alone(5), "mode {mode}");
        assert_eq!(sftp.stat("/old").await.unwrap_err().code, code::DENIED);
        let old = sftp.open("/old", flags::READ).await.unwrap();
        assert_eq!(sftp.fstat(&old).await.unwrap(), size_alone(10), "mode {mode}");
        sftp.close(&handle).await.unwrap();
    }
}

async fn a_path_just_written_shows_its_size_to_its_session_alone(topology: Topology) {
    for mode in [0, 1, 2] {
        let (server, alice) = start(topology, mode).await;
        let (mut sftp, mut other) = (server.sftp_of(&alice).await, server.sftp_of(&alice).await);
        sftp.put("/file", b"12345").await.unwrap();
        assert_eq!(sftp.stat("/file").await.unwrap(), size_alone(5), "mode {mode}");
        assert_eq!(sftp.lstat("/file").await.unwrap(), size_alone(5), "mode {mode}");
        assert_eq!(other.stat("/file").await.unwrap_err().code, code::DENIED, "mode {mode}");
        assert_eq!(sftp.stat("/missing").await.unwrap_err().code, code::DENIED);
        // Another file under the name is none of its business.
        std::fs::rename(alice.put("elsewhere", "secret length"), alice.path("file")).unwrap();
        assert_eq!(sftp.stat("/file").await.unwrap_err().code, code::DENIED, "mode {mode}");
    }
}

async fn paramiko_puts_a_file_where_it_may_not_list(topology: Topology) {
    let (server, alice) = start(topology, 0).await;
    let local = temporary_folder("client");
    let file = local.path().join("file");
    std::fs::write(&file, vec![7; 100_000]).unwrap();
    let arguments = [file.to_str().unwrap(), "/there"];
    let said = server.python("paramiko_put_whole.py", &alice, &arguments).await;
    said.assert_well();
    assert_eq!(said.output.trim(), "100000");
    assert_eq!(alice.read("there").len(), 100_000);
}
