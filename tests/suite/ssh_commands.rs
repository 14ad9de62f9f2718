//! Commands over SSH, and what is refused instead of being run.

use ferryd_tests::keys::client_key;
use ferryd_tests::ssh::Finished;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies};
use serde_json::json;

both_topologies!(
    digests_equal_those_of_the_system,
    a_digest_of_standard_input_takes_all_of_it,
    cd_and_pwd_satisfy_scripts,
    commands_that_are_not_enabled_are_refused,
    nothing_of_a_command_line_reaches_a_shell,
    only_sftp_and_exec_are_served,
);

async fn exec(server: &Server, user: &User, command: &str) -> Option<Finished> {
    server.login(user).await.exec(command).await
}

async fn digests_equal_those_of_the_system(topology: Topology) {
    let config = json!({ "sftpd": { "enabled_ssh_commands": ["*"] } });
    let server = Server::with(topology, config).await;
    let alice = server.user("alice").await;
    let path = alice.put("dir/with space", ferryd_tests::files::pattern(100_001));
    for program in ["md5sum", "sha1sum", "sha256sum", "sha384sum", "sha512sum"] {
        let own = std::process::Command::new(program).arg(&path).output().unwrap();
        let own = String::from_utf8(own.stdout).unwrap();
        let sum = own.split(' ').next().unwrap();
        let said = exec(&server, &alice, &format!("{program} '/dir/with space'")).await.unwrap();
        assert_eq!(said.status, Some(0), "{program}");
        let expected = format!("{sum}  /dir/with space\n");
        assert_eq!(String::from_utf8(said.output).unwrap(), expected);
    }
    let missing = exec(&server, &alice, "md5sum /missing").await.unwrap();
    assert_eq!(missing.status, Some(1));
    let text = String::from_utf8(missing.output).unwrap();
    assert!(text.starts_with("md5sum: /missing "), "{text}");
    assert!(!text.contains(server.folder().to_str().unwrap()), "{text}");
}

async fn a_digest_of_standard_input_takes_all_of_it(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let said = server.ssh_with_input(&alice, client_key(), &["md5sum"], &[b'x'; 1_000_000]).await;
    said.assert_well();
    let own = server.folder().join("x");
    std::fs::write(&own, [b'x'; 1_000_000]).unwrap();
    let sum = std::process::Command::new("md5sum").arg(&own).output().unwrap().stdout;
    let sum = String::from_utf8(sum).unwrap();
    assert_eq!(said.output, format!("{}  -\n", sum.split(' ').next().unwrap()));
}

async fn cd_and_pwd_satisfy_scripts(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let pwd = exec(&server, &alice, "pwd").await.unwrap();
    assert_eq!((pwd.output.as_slice(), pwd.status), (b"/\n".as_slice(), Some(0)));
    let cd = exec(&server, &alice, "cd /anywhere").await.unwrap();
    assert_eq!((cd.output.as_slice(), cd.status), (b"".as_slice(), Some(0)));
}

async fn commands_that_are_not_enabled_are_refused(topology: Topology) {
    let config = json!({ "sftpd": { "enabled_ssh_commands": ["pwd"] } });
    let server = Server::with(topology, config).await;
    let alice = server.user("alice").await;
    assert!(exec(&server, &alice, "pwd").await.is_some());
    for command in ["md5sum /x", "PWD", "/bin/pwd", "./pwd", "id", "sh -c pwd", "", " ", "'pwd"] {
        assert!(exec(&server, &alice, command).await.is_none(), "{command}");
    }
}

async fn nothing_of_a_command_line_reaches_a_shell(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    alice.put("file", "x");
    let mark = server.folder().join("mark");
    let shown = mark.display();
    for command in [
        format!("md5sum /file; touch {shown}"),
        format!("md5sum `touch {shown}`"),
        format!("md5sum $(touch {shown})"),
        format!("md5sum /file && touch {shown}"),
        format!("md5sum /file | tee {shown}"),
        format!("md5sum /file > {shown}"),
        format!("pwd\ntouch {shown}"),
    ] {
        exec(&server, &alice, &command).await;
        assert!(!mark.exists(), "{command}");
    }
}

async fn only_sftp_and_exec_are_served(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let said = server.ssh(&alice, client_key(), &["-tt"]).await;
    assert!(!said.well, "a shell: {said:?}");
    let forward = ["-N", "-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:1"];
    assert!(!server.ssh(&alice, client_key(), &forward).await.well, "a forwarded port");
    assert!(!server.ssh(&alice, client_key(), &["-W", "127.0.0.1:1"]).await.well, "a way through");
    let subsystem = server.ssh(&alice, client_key(), &["-s", "netconf"]).await;
    assert!(!subsystem.well, "{subsystem:?}");
    let connection: Connection = server.login(&alice).await;
    connection.sftp().await.list("/").await.unwrap();
}
