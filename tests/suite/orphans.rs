//! A server that is the init process of a container, or stands for one (a subreaper): what programs
//! leave in the background becomes its child and is reaped.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use ferryd_tests::{Server, Topology, both_topologies, until};
use serde_json::json;

both_topologies!(what_programs_leave_behind_is_reaped);

const UPLOADS: usize = 10;

async fn what_programs_leave_behind_is_reaped(topology: Topology) {
    let folder = ferryd_tests::files::temporary_folder("action");
    let program = folder.path().join("action");
    // One child that ends before the program, one after it.
    let script = "#!/bin/sh\n(sleep 0.2) &\necho $! >> \"${0%/*}/left\"\n\
                  (exit 7) &\necho $! >> \"${0%/*}/left\"\nexit 0\n";
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let actions = json!({ "execute_on": ["upload"], "command": program });
    let config = json!({ "sftpd": { "actions": actions } });
    let mut server = Server::with_orphans(topology, config).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    for number in 0..UPLOADS {
        sftp.put(format!("/file-{number}"), b"12345").await.unwrap();
    }
    let left = || std::fs::read_to_string(folder.path().join("left")).unwrap_or_default();
    until("the programs", async || (left().lines().count() == 2 * UPLOADS).then_some(())).await;
    // A zombie has an entry, too.
    let is_there = |pid: &str| Path::new("/proc").join(pid).exists();
    until("the end of all", async || (!left().lines().any(is_there)).then_some(())).await;
    until("the programs to be counted", async || {
        (server.metric("sftpgo_action_commands_total").await? as usize == UPLOADS).then_some(())
    })
    .await;
    assert_eq!(server.metric("sftpgo_action_command_errors_total").await, Some(0.0));
    server.assert_running();
}
