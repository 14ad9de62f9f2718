//! The mode that a client sends with OPEN and MKDIR.

use std::os::unix::fs::PermissionsExt as _;

use ferryd_tests::files::temporary_folder;
use ferryd_tests::raw_sftp::flags;
use ferryd_tests::wire::Attributes;
use ferryd_tests::{Server, Topology, User, both_topologies};
use serde_json::json;

both_topologies!(
    a_new_entry_gets_the_mode_that_was_sent_without_the_umask,
    an_existing_file_keeps_its_mode,
    with_ignored_attributes_the_usual_mode_is_taken,
    openssh_keeps_secrets_secret_and_scripts_executable,
);

fn mode(user: &User, name: &str) -> u32 {
    user.path(name).symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn sent(mode: u32) -> Attributes {
    Attributes { mode: Some(mode), ..Attributes::default() }
}

async fn a_new_entry_gets_the_mode_that_was_sent_without_the_umask(topology: Topology) {
    for upload_mode in [0, 1, 2] {
        let changes = json!({ "sftpd": { "upload_mode": upload_mode, "umask": "0027" } });
        let server = Server::with(topology, changes).await;
        let alice = server.user("alice").await;
        let mut sftp = server.sftp_of(&alice).await;
        let cases = [(0o600, 0o600), (0o755, 0o750), (0o100_666, 0o640), (0o6777, 0o750), (0, 0)];
        for (sent_mode, expected) in cases {
            for open in [flags::PUT, flags::WRITE | flags::CREATE | flags::APPEND] {
                let handle = sftp.open_with("/file", open, sent(sent_mode)).await.unwrap();
                sftp.write(&handle, 0, b"content").await.unwrap();
                sftp.close(&handle).await.unwrap();
                assert_eq!(mode(&alice, "file"), expected, "{upload_mode} {sent_mode:o}");
                sftp.remove("/file").await.unwrap();
            }
            sftp.mkdir_with("/folder", sent(sent_mode)).await.unwrap();
            assert_eq!(mode(&alice, "folder"), expected, "{sent_mode:o}");
            sftp.rmdir("/folder").await.unwrap();
        }
        sftp.put("/file", b"x").await.unwrap();
        sftp.mkdir("/folder").await.unwrap();
        assert_eq!((mode(&alice, "file"), mode(&alice, "folder")), (0o640, 0o750));
    }
}

async fn an_existing_file_keeps_its_mode(topology: Topology) {
    for upload_mode in [0, 1, 2] {
        let changes = json!({ "sftpd": { "upload_mode": upload_mode } });
        let server = Server::with(topology, changes).await;
        let alice = server.user("alice").await;
        let file = alice.put("file", "old");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let mut sftp = server.sftp_of(&alice).await;
        let handle = sftp.open_with("/file", flags::PUT, sent(0o777)).await.unwrap();
        sftp.close(&handle).await.unwrap();
        assert_eq!(mode(&alice, "file"), 0o640, "{upload_mode}");
    }
}

async fn with_ignored_attributes_the_usual_mode_is_taken(topology: Topology) {
    let server = Server::with(topology, json!({ "sftpd": { "setstat_mode": 1 } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open_with("/file", flags::PUT, sent(0o600)).await.unwrap();
    sftp.close(&handle).await.unwrap();
    sftp.mkdir_with("/folder", sent(0o700)).await.unwrap();
    assert_eq!((mode(&alice, "file"), mode(&alice, "folder")), (0o644, 0o755));
}

async fn openssh_keeps_secrets_secret_and_scripts_executable(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let local = temporary_folder("client");
    let mut batch = String::new();
    for (name, mode) in [("secret", 0o600), ("script", 0o755), ("plain", 0o664)] {
        let file = local.path().join(name);
        std::fs::write(&file, "content").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        batch += &format!("put {} {name}\n", file.display());
    }
    server.sftp_batch(&alice, &[], &batch).await.assert_well();
    let modes = ["secret", "script", "plain"].map(|name| mode(&alice, name));
    assert_eq!(modes, [0o600, 0o755, 0o644]);
}
