//! Programs and addresses of the administrator's: logins by a program, questions, notices.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use ferryd_tests::keys::{KeyPair, client_key};
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::{Value, json};
use tempfile::TempDir;

both_topologies!(
    a_program_may_decide_who_gets_in,
    a_program_that_fails_lets_nobody_in,
    a_program_may_change_a_user_before_the_login,
    a_program_asks_questions,
    a_command_is_told_of_files,
    a_command_is_told_of_users,
);

/// A script in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = ferryd_tests::files::temporary_folder("hook");
        let path = folder.path().join("hook");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("hook")
    }
}

fn answer(home: &Path, name: &str) -> Value {
    json!({ "username": name, "status": 1, "home_dir": home, "permissions": { "/": ["*"] } })
}

async fn password(server: &Server, name: &str, password: &str) -> bool {
    Connection::open(server.sftp()).await.password(name, password).await
}

async fn key(server: &Server, name: &str, key: &KeyPair) -> bool {
    Connection::open(server.sftp()).await.offer_key(name, key).await
}

async fn a_program_may_decide_who_gets_in(topology: Topology) {
    let home = ferryd_tests::files::temporary_folder("home");
    let user = answer(&home.path().join("new"), "carol");
    let script = Script::new(&format!(
        r#"if [ "$FERRYD_AUTHD_USERNAME" = carol ] && {{ [ "$SFTPGO_AUTHD_PASSWORD" = open ] || [ -n "$SFTPGO_AUTHD_PUBLIC_KEY" ]; }}; then
    echo '{user}'
else
    echo '{{"username": ""}}'
fi"#
    ));
    let config = json!({ "data_provider": { "external_auth_program": script.path() } });
    let server = Server::with(topology, config).await;
    assert!(!password(&server, "carol", "shut").await);
    assert!(password(&server, "carol", "open").await);
    assert!(key(&server, "carol", client_key()).await);
    assert!(!password(&server, "dave", "open").await);
    let (_, users) = server.call("GET", "/api/v1/user", "").await;
    assert_eq!(users.as_array().unwrap().len(), 1, "who gets in is stored: {users}");
    assert!(home.path().join("new").is_dir(), "the home is made");
}

async fn a_program_that_fails_lets_nobody_in(topology: Topology) {
    let home = ferryd_tests::files::temporary_folder("home");
    let other = answer(home.path(), "somebody-else");
    let user = answer(home.path(), "carol");
    for text in [
        format!("echo '{user}'; exit 1"),
        "echo nonsense".to_owned(),
        format!("echo '{other}'"),
        String::new(),
        "head -c 100000000 /dev/zero".to_owned(),
        format!("echo '{user}'; kill -9 $$"),
    ] {
        let script = Script::new(&text);
        let config = json!({ "data_provider": { "external_auth_program": script.path() } });
        let mut server = Server::with(topology, config).await;
        assert!(!password(&server, "carol", "open").await, "{text}");
        let (_, users) = server.call("GET", "/api/v1/user", "").await;
        assert_eq!(users, json!([]), "{text}");
        server.assert_running();
    }
}

async fn a_program_may_change_a_user_before_the_login(topology: Topology) {
    let script = Script::new(
        r#"echo "$FERRYD_LOGIND_METHOD $FERRYD_LOGIND_USER" >> "$0.log"
echo '{"max_sessions": 7, "id": 99, "permissions": {"/": ["list"]}}'"#,
    );
    let config = json!({ "data_provider": { "pre_login_program": script.path() } });
    let server = Server::with(topology, config).await;
    let alice = server.user_with("alice", json!({ "password": "open" })).await;
    let mut sftp = server.sftp_of(&alice).await;
    assert!(sftp.put("/file", b"x").await.is_err(), "the new permissions hold at once");
    let (_, user) = server.call("GET", &format!("/api/v1/user/{}", alice.id), "").await;
    assert_eq!((&user["max_sessions"], &user["id"]), (&json!(7), &json!(alice.id)));
    let log = std::fs::read_to_string(script.folder.path().join("hook.log")).unwrap();
    assert!(log.starts_with("publickey ") && log.contains("\"alice\""), "{log}");
    assert!(!log.contains("argon2"), "the hash stays here: {log}");
}

async fn a_program_asks_questions(topology: Topology) {
    let script = Script::new(
        r#"echo '{"instruction": "Two questions", "questions": ["Colour: ", "Number: "], "echos": [true, false]}'
read colour
read number
if [ "$colour" = blue ] && [ "$number" = 7 ]; then
    echo '{"questions": ["Password: "], "echos": [false], "check_password": 1}'
    read verdict
    [ "$verdict" = OK ] && echo '{"auth_result": 1}'
else
    echo '{"auth_result": -1}'
fi"#,
    );
    let config = json!({ "sftpd": { "keyboard_interactive_auth_program": script.path() } });
    let server = Server::with(topology, config).await;
    server.user_with("alice", json!({ "password": "open" })).await;
    let offered = Connection::open(server.sftp()).await.methods("alice").await;
    assert!(offered.iter().any(|method| method == "keyboard-interactive"), "{offered:?}");
    let cases = [
        (["blue", "7", "open"], true),
        (["red", "7", "open"], false),
        (["blue", "7", "shut"], false),
    ];
    for (answers, gets_in) in cases {
        let mut connection = Connection::open(server.sftp()).await;
        assert_eq!(connection.answer("alice", &answers).await, gets_in, "{answers:?}");
    }
}

async fn a_command_is_told_of_files(topology: Topology) {
    let script = Script::new(r#"printf '%s|' "$@" >> "$0.log"; echo >> "$0.log""#);
    let events = ["download", "upload", "delete", "rename"];
    let actions = json!({ "execute_on": events, "command": script.path() });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/a", b"x").await.unwrap();
    sftp.get("/a").await.unwrap();
    sftp.rename("/a", "/b").await.unwrap();
    sftp.remove("/b").await.unwrap();
    let log = script.folder.path().join("hook.log");
    let told = until("four notices", async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() == 4).then_some(text)
    })
    .await;
    for event in events {
        assert!(told.contains(&format!("{event}|alice|")), "{event}: {told}");
    }
    assert!(told.contains(alice.path("a").to_str().unwrap()), "{told}");
}

async fn a_command_is_told_of_users(topology: Topology) {
    let script = Script::new(r#"printf '%s|' "$@" >> "$0.log"; echo >> "$0.log""#);
    let actions = json!({ "execute_on": ["add", "update", "delete"], "command": script.path() });
    let server = Server::with(topology, json!({ "data_provider": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    server.rest().update_user(alice.id, &json!({ "max_sessions": 2 })).await.unwrap();
    server.rest().delete_user(alice.id).await.unwrap();
    let log = script.folder.path().join("hook.log");
    let told = until("three notices", async || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        (text.lines().count() == 3).then_some(text)
    })
    .await;
    for event in ["add", "update", "delete"] {
        assert!(told.contains(&format!("{event}|alice|")), "{event}: {told}");
    }
}
