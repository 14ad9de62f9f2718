//! Programs that misbehave at a login, the samples that administrators start from, and what a
//! refused user learns.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ferryd_tests::keys::client_key;
use ferryd_tests::{Connection, Server, Topology, both_topologies, until};
use serde_json::json;
use tempfile::TempDir;

both_topologies!(
    the_sample_of_an_external_program_runs_as_it_is,
    the_sample_of_a_pre_login_program_runs_as_it_is,
    nulls_in_an_answer_before_a_login_keep_what_they_name,
    the_samples_of_question_programs_run_as_they_are,
    nothing_is_left_running_after_a_refusal,
    a_name_with_quotes_and_newlines_reaches_a_program_as_it_is,
    what_a_program_complains_about_is_logged,
    a_refused_user_learns_the_same_for_every_reason,
    an_ssh_command_and_a_url_are_told_and_delay_nobody,
);

const PASSWORD: &str = "correct horse battery staple";

/// A program in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = ferryd_tests::files::temporary_folder("program");
        let path = folder.path().join("program");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("program")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

async fn password(server: &Server, name: &str) -> bool {
    Connection::open(server.sftp()).await.password(name, PASSWORD).await
}

/// Tells whether a process runs whose command line contains a text.
fn runs(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(text)
    })
}

async fn the_sample_of_an_external_program_runs_as_it_is(topology: Topology) {
    let home = ferryd_tests::files::temporary_folder("home");
    let sample = r#"#!/bin/sh

if test "$SFTPGO_AUTHD_USERNAME" = "test_user"; then
  echo '{"status":1,"username":"test_user","expiration_date":0,"home_dir":"HOME","uid":0,"gid":0,"max_sessions":0,"quota_size":0,"quota_files":100000,"permissions":{"/":["*"],"/somedir":["list","download"]},"upload_bandwidth":0,"download_bandwidth":0,"filters":{"allowed_ip":[],"denied_ip":[]},"public_keys":[]}'
else
  echo '{"username":""}'
fi
"#;
    let script = Script::new(&sample.replace("HOME", home.path().to_str().unwrap()));
    let config = json!({ "data_provider": { "external_auth_program": script.path() } });
    let server = Server::with(topology, config).await;
    assert!(password(&server, "test_user").await);
    assert!(!password(&server, "somebody").await);
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.offer_key("test_user", client_key()).await);
}

async fn the_sample_of_a_pre_login_program_runs_as_it_is(topology: Topology) {
    let script = Script::new(
        r#"#!/bin/bash

CURRENT_TIME=`date +%H:%M`
if [[ "$SFTPGO_LOGIND_USER" =~ "\"test_user\"" ]]
then
  if [[ $CURRENT_TIME > "25:00" || $CURRENT_TIME < "00:00" ]]
  then
    echo '{"status":1}'
  else
    echo '{"status":0}'
  fi
fi
"#,
    );
    let config = json!({ "data_provider": { "pre_login_program": script.path() } });
    let server = Server::with(topology, config).await;
    let (test, other) = (server.user("test_user").await, server.user("other").await);
    let mut connection = Connection::open(server.sftp()).await;
    assert!(!connection.offer_key(&test.name, client_key()).await, "switched off by the program");
    server.login(&other).await;
}

async fn nulls_in_an_answer_before_a_login_keep_what_they_name(topology: Topology) {
    let script = Script::new("#!/bin/sh\ncat \"$0.answer\"\n");
    let config = json!({ "data_provider": { "pre_login_program": script.path() } });
    let server = Server::with(topology, config).await;
    let alice = server.user_with("alice", json!({ "quota_size": 1000, "quota_files": 7 })).await;
    let nulls = r#"{"status":null,"quota_size":null,"home_dir":null,"filesystem":null}"#;
    for answer in ["null\n", nulls] {
        std::fs::write(script.path().with_extension("answer"), answer).unwrap();
        server.login(&alice).await;
        let (_, users) = server.call("GET", "/api/v1/user?username=alice", "").await;
        assert_eq!((&users[0]["status"], &users[0]["quota_size"]), (&json!(1), &json!(1000)));
    }
}

async fn the_samples_of_question_programs_run_as_they_are(topology: Topology) {
    let plain = r#"#!/bin/sh

echo '{"questions":["Question1: ","Question2: "],"instruction":"This is a sample for keyboard interactive authentication","echos":[true,false]}'

read ANSWER1
read ANSWER2

echo '{"questions":["Question3: "],"instruction":"","echos":[true]}'

read ANSWER3

if test "$ANSWER3" = "answer3"; then
	echo '{"auth_result":1}'
else
	echo '{"auth_result":-1}'
fi
"#;
    let checking = r#"#!/bin/sh

echo '{"questions":["Password: "],"instruction":"This is a sample for keyboard interactive authentication","echos":[false],"check_password":1}'

read ANSWER1

if test "$ANSWER1" != "OK"; then
  exit 1
fi

echo '{"questions":["One time token: "],"instruction":"","echos":[false]}'

read ANSWER2

if test "$ANSWER2" = "token"; then
	echo '{"auth_result":1}'
else
	echo '{"auth_result":-1}'
fi
"#;
    let cases: [(&str, &[&str], &[&str]); 2] = [
        (plain, &["a", "b", "answer3"], &["a", "b", "answer4"]),
        (checking, &[PASSWORD, "token"], &["wrong", "token"]),
    ];
    for (text, right, wrong) in cases {
        let script = Script::new(text);
        let config = json!({ "sftpd": { "keyboard_interactive_auth_program": script.path() } });
        let server = Server::with(topology, config).await;
        server.user_with("alice", json!({ "password": PASSWORD })).await;
        assert!(Connection::open(server.sftp()).await.answer("alice", right).await, "{right:?}");
        assert!(!Connection::open(server.sftp()).await.answer("alice", wrong).await, "{wrong:?}");
    }
}

async fn nothing_is_left_running_after_a_refusal(topology: Topology) {
    let mark = format!("32{}", std::process::id());
    let text = format!(
        "#!/bin/sh\necho '{{\"questions\": [\"One: \"], \"echos\": [true]}}'\nread one\n\
         sleep {mark} &\necho '{{\"auth_result\": -1}}'\nsleep {mark}\n"
    );
    let script = Script::new(&text);
    let config = json!({ "sftpd": { "keyboard_interactive_auth_program": script.path() } });
    let server = Server::with(topology, config).await;
    server.user("alice").await;
    assert!(!Connection::open(server.sftp()).await.answer("alice", &["x"]).await);
    until("the end of the program", async || (!runs(&format!("sleep {mark}"))).then_some(())).await;
}

async fn a_name_with_quotes_and_newlines_reaches_a_program_as_it_is(topology: Topology) {
    let script = Script::new(
        "#!/bin/sh\nprintf '<%s>' \"$SFTPGO_AUTHD_USERNAME\" >> \"${0%/*}/log\"\necho '{}'\n",
    );
    let config = json!({ "data_provider": { "external_auth_program": script.path() } });
    let mut server = Server::with(topology, config).await;
    let name = "a'b\"c\n$(touch /tmp/x)`id`;&|\\ ü";
    assert!(!password(&server, name).await);
    assert_eq!(script.log(), format!("<{name}>"));
    assert!(!password(&server, "nul\0name").await);
    assert_eq!(script.log(), format!("<{name}>"), "a NUL starts no program");
    server.assert_running();
}

async fn what_a_program_complains_about_is_logged(topology: Topology) {
    let script = Script::new("#!/bin/sh\necho 'no \"directory\" today' >&2\necho '{}'\n");
    let config = json!({ "data_provider": { "external_auth_program": script.path() } });
    let server = Server::with(topology, config).await;
    assert!(!password(&server, "alice").await);
    let line = until("what the program said", async || {
        let log = server.log_of_hooks();
        log.lines().find(|line| line.contains("today")).map(str::to_owned)
    })
    .await;
    let record: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&record["level"], &record["sender"]), (&json!("debug"), &json!("programs")));
    assert_eq!(record["program"], json!(script.path()));
}

async fn a_refused_user_learns_the_same_for_every_reason(topology: Topology) {
    let server = Server::start(topology).await;
    let cases = [
        ("wrong", json!({ "password": "another one" })),
        ("disabled", json!({ "password": PASSWORD, "status": 0 })),
        ("expired", json!({ "password": PASSWORD, "expiration_date": 1000 })),
        ("elsewhere", json!({ "password": PASSWORD, "filters": { "denied_ip": ["127.0.0.0/8"] } })),
        (
            "method",
            json!({ "password": PASSWORD, "filters": { "denied_login_methods": ["password"] } }),
        ),
        ("full", json!({ "password": PASSWORD, "max_sessions": 1 })),
    ];
    for (name, fields) in &cases {
        server.user_with(name, fields.clone()).await;
    }
    let mut first = Connection::open(server.sftp()).await;
    assert!(first.password("full", PASSWORD).await);
    let names = cases.iter().map(|(name, _)| *name).chain(["nobody"]);
    let mut reasons = std::collections::BTreeSet::new();
    for name in names {
        let mut connection = Connection::open(server.sftp()).await;
        let before = connection.methods(name).await;
        assert!(!connection.password(name, PASSWORD).await, "{name}");
        assert_eq!(connection.methods(name).await, before, "{name}");
        assert_eq!(connection.banners(), Vec::<String>::new(), "{name}");
        let record = server.record("connection_failed", |record| record["username"] == name).await;
        reasons.insert(record["error"].as_str().unwrap().to_owned());
    }
    assert_eq!(reasons.len(), cases.len() + 1, "the log knows each reason: {reasons:#?}");
    assert_eq!(server.metric("sftpgo_password_login_ko_total").await, Some(7.0));
}

async fn an_ssh_command_and_a_url_are_told_and_delay_nobody(topology: Topology) {
    let script = Script::new(
        "#!/bin/sh\nsleep 2\necho \"$1|$2|$5|$SFTPGO_ACTION|$FERRYD_ACTION_SSH_CMD\" >> \"${0%/*}/log\"\n",
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/told?key=value", listener.local_addr().unwrap());
    let actions = json!({
        "execute_on": ["ssh_cmd", "upload"],
        "command": script.path(),
        "http_notification_url": url,
    });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    let connection = server.login(&alice).await;
    let begin = Instant::now();
    connection.exec("pwd").await.unwrap();
    connection.sftp().await.put("/file", b"12345").await.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
    let mut told = String::new();
    for _ in 0..2 {
        let (mut stream, _) = listener.accept().await.unwrap();
        told += &first_line(&mut stream).await;
    }
    for expected in ["key=value", "action=ssh_cmd", "ssh_cmd=pwd", "action=upload", "file_size=5"] {
        assert!(told.contains(expected), "{expected}: {told}");
    }
    until("both commands", async || (script.log().lines().count() == 2).then_some(())).await;
    assert!(script.log().contains("ssh_cmd|alice|pwd|ssh_cmd|pwd"), "{}", script.log());
}

async fn first_line(stream: &mut tokio::net::TcpStream) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut request = vec![0; 4096];
    let count = stream.read(&mut request).await.unwrap();
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    String::from_utf8_lossy(&request[..count]).lines().next().unwrap_or_default().to_owned()
}
