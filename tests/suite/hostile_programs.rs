//! Programs of the administrator's that misbehave, for every kind of hook: the login fails in
//! time, nothing is left running, and the process that runs them does not grow.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ferryd_tests::wait::until_within;
use ferryd_tests::{Connection, Server, Topology, User, both_topologies, until};
use serde_json::{Value, json};
use tempfile::TempDir;

both_topologies!(
    programs_that_write_without_end_let_nobody_in_and_take_no_memory,
    programs_that_fail_let_nobody_in,
    a_child_that_keeps_the_output_open_holds_no_login_up,
    programs_that_hang_are_killed_at_their_limit,
    a_client_that_leaves_in_the_middle_of_a_question_ends_the_program,
    a_client_that_leaves_while_a_program_works_ends_the_program,
    questions_of_two_lines_are_asked_one_after_the_other,
    actions_that_misbehave_delay_nobody,
    names_with_quotes_and_newlines_reach_an_action_as_they_are,
);

const PASSWORD: &str = "correct horse battery staple";
const ASK: &str = r#"echo '{"questions": ["One: "], "echos": [true]}'; read one"#;
const CHECK: &str =
    r#"echo '{"questions": ["Password: "], "echos": [false], "check_password": 1}'; read one"#;

/// A hook that takes part in logins.
#[derive(Clone, Copy, Debug)]
enum Hook {
    External,
    PreLogin,
    /// Right at the start, after a question, after the password was found to be right.
    Questions(&'static str),
}

const HOOKS: [Hook; 5] = [
    Hook::External,
    Hook::PreLogin,
    Hook::Questions("true"),
    Hook::Questions(ASK),
    Hook::Questions(CHECK),
];

impl Hook {
    fn config(self, script: &Script) -> Value {
        match self {
            Self::External => {
                json!({ "data_provider": { "external_auth_program": script.path() } })
            }
            Self::PreLogin => json!({ "data_provider": { "pre_login_program": script.path() } }),
            Self::Questions(_) => {
                json!({ "sftpd": { "keyboard_interactive_auth_program": script.path() } })
            }
        }
    }

    fn text(self, text: &str) -> String {
        match self {
            Self::External | Self::PreLogin => text.to_owned(),
            Self::Questions(first) => format!("{first}\n{text}"),
        }
    }

    fn script(self, text: &str) -> Script {
        Script::new(&self.text(text))
    }

    /// Says yes, in its way.
    fn lets_in(self, user: &User) -> String {
        let user = json!({
            "username": user.name,
            "status": 1,
            "home_dir": user.home,
            "permissions": { "/": ["*"] },
            "max_sessions": 1,
        });
        match self {
            Self::External => format!("echo '{user}'"),
            Self::PreLogin => "exit 0".to_owned(),
            Self::Questions(_) => r#"echo '{"auth_result": 1}'"#.to_owned(),
        }
    }

    async fn login(self, mut connection: Connection) -> bool {
        match self {
            Self::External | Self::PreLogin => connection.password("alice", PASSWORD).await,
            Self::Questions(_) => connection.answer("alice", &[PASSWORD]).await,
        }
    }
}

/// A program in a folder of its own.
struct Script {
    folder: TempDir,
}

impl Script {
    fn new(text: &str) -> Self {
        let script = Self { folder: ferryd_tests::files::temporary_folder("hook") };
        script.write(text);
        script
    }

    fn write(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, format!("#!/bin/sh\n{text}\n")).unwrap();
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&new, executable).unwrap();
        std::fs::rename(&new, self.path()).unwrap();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("hook")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Waits until nothing runs that was started from the folder of the script, or bears a mark.
    async fn nothing_runs(&self, mark: &str) {
        let path = self.path();
        let path = path.to_str().unwrap();
        until("the end of the programs", async || (!runs(path) && !runs(mark)).then_some(())).await;
    }
}

/// Tells whether a process runs whose command line contains a text.
fn runs(text: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok()).any(|line| {
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(text)
    })
}

/// Returns a number of seconds that nothing else sleeps for.
fn mark() -> String {
    static MARKS: AtomicU32 = AtomicU32::new(1000);
    format!("{}{}", MARKS.fetch_add(1, Ordering::Relaxed), std::process::id())
}

async fn start(topology: Topology, hook: Hook, script: &Script) -> Server {
    let server = Server::with(topology, hook.config(script)).await;
    server.user_with("alice", json!({ "password": PASSWORD })).await;
    server
}

/// Starts with a program whose text is to come.
async fn prepare(topology: Topology, hook: Hook) -> (Script, Server) {
    let script = Script::new("exit 1");
    let server = start(topology, hook, &script).await;
    (script, server)
}

/// Lets nobody in, several at once, long before the time limit of programs.
async fn refused(server: &Server, hook: Hook, what: &str) {
    let begin = Instant::now();
    let mut tries = Vec::new();
    for _ in 0..4 {
        let connection = Connection::open(server.sftp()).await;
        tries.push(tokio::spawn(hook.login(connection)));
    }
    for attempt in tries {
        assert!(!attempt.await.unwrap(), "{hook:?}");
    }
    let elapsed = begin.elapsed();
    assert!(elapsed < Duration::from_secs(30), "{hook:?} {what}: {elapsed:?}");
}

async fn programs_that_write_without_end_let_nobody_in_and_take_no_memory(topology: Topology) {
    let endless = [
        "head -c 1073741824 /dev/zero",
        "exec yes '{\"instruction\": \"again\"}'",
        "head -c 33554432 /dev/zero >&2; exit 1",
    ];
    for hook in HOOKS {
        let (script, mut server) = prepare(topology, hook).await;
        for text in endless {
            script.write(&hook.text(text));
            refused(&server, hook, text).await;
            let before = server.resident_of_hooks();
            refused(&server, hook, text).await;
            let grown = server.resident_of_hooks().saturating_sub(before);
            assert!(grown < 24 << 20, "{hook:?} {text}: {grown} bytes more");
            script.nothing_runs(script.path().to_str().unwrap()).await;
            server.assert_running();
        }
    }
}

async fn programs_that_fail_let_nobody_in(topology: Topology) {
    let failing = [
        "exit 1",
        "echo '{\"status\": 1, \"username\": \"alice\"'",
        "echo '[1, 2'; exit 0",
        "printf '\\377\\376\\000\\001\\n'",
        "kill -9 $$",
        "printf '{\"auth_result\": 1'; exit 1",
        "exec /nonexistent/program",
    ];
    for hook in HOOKS {
        let (script, mut server) = prepare(topology, hook).await;
        for text in failing {
            script.write(&hook.text(text));
            refused(&server, hook, text).await;
        }
        server.assert_running();
    }
}

async fn a_child_that_keeps_the_output_open_holds_no_login_up(topology: Topology) {
    for hook in HOOKS {
        let mark = mark();
        let script = hook.script(&format!("sleep {mark} &\nsleep {mark} &\necho '{{'"));
        let server = start(topology, hook, &script).await;
        refused(&server, hook, "with children").await;
        script.nothing_runs(&format!("sleep {mark}")).await;
    }
}

/// Takes a minute; runs with `FERRYD_TEST_SLOW=1`.
async fn programs_that_hang_are_killed_at_their_limit(topology: Topology) {
    if std::env::var_os("FERRYD_TEST_SLOW").is_none() {
        println!("skipped: FERRYD_TEST_SLOW is not set");
        return;
    }
    let limit = Duration::from_secs(60);
    let patience = limit + Duration::from_secs(25);
    let mut waiting = Vec::new();
    for hook in HOOKS {
        let mark = mark();
        let script = hook.script(&format!("sleep {mark} &\nsleep {mark}\nsleep {mark}"));
        let server = start(topology, hook, &script).await;
        let connection = Connection::open(server.sftp()).await.with_patience(patience);
        let login = tokio::spawn(async move {
            let begin = Instant::now();
            (hook.login(connection).await, begin.elapsed())
        });
        waiting.push((hook, mark, script, server, login));
    }
    for (hook, mark, script, _server, login) in waiting {
        let (gets_in, elapsed) = login.await.unwrap();
        assert!(!gets_in, "{hook:?}");
        assert!(elapsed + Duration::from_secs(2) > limit, "{hook:?}: {elapsed:?}");
        script.nothing_runs(&format!("sleep {mark}")).await;
    }
}

async fn a_client_that_leaves_in_the_middle_of_a_question_ends_the_program(topology: Topology) {
    let mark = mark();
    let hook = Hook::Questions("true");
    let script = hook.script(&format!("sleep {mark} &\n{ASK}\nsleep {mark}"));
    let server = start(topology, hook, &script).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert_eq!(connection.question("alice").await, ["One: "]);
    until("its child", async || runs(&format!("sleep {mark}")).then_some(())).await;
    connection.close().await;
    drop(connection);
    script.nothing_runs(&format!("sleep {mark}")).await;
}

async fn a_client_that_leaves_while_a_program_works_ends_the_program(topology: Topology) {
    for hook in HOOKS {
        let mark = mark();
        let script = hook.script(&format!("sleep {mark} &\nsleep {mark}"));
        let server = Server::with(topology, hook.config(&script)).await;
        let only_one = json!({ "password": PASSWORD, "max_sessions": 1 });
        let alice = server.user_with("alice", only_one).await;
        let login = tokio::spawn(hook.login(Connection::open(server.sftp()).await));
        until("the program", async || runs(&format!("sleep {mark}")).then_some(())).await;
        login.abort();
        assert!(login.await.unwrap_err().is_cancelled());
        script.nothing_runs(&format!("sleep {mark}")).await;
        let gone = server.record("connection_failed", |record| record["username"] == "alice").await;
        let error = gone["error"].as_str().unwrap();
        assert!(error.contains("the client has gone"), "not by its limit: {gone}");
        assert!(server.connections_of("alice").await.is_empty());
        script.write(&hook.text(&hook.lets_in(&alice)));
        assert!(hook.login(Connection::open(server.sftp()).await).await, "{hook:?}");
    }
}

async fn questions_of_two_lines_are_asked_one_after_the_other(topology: Topology) {
    let hook = Hook::Questions("true");
    let script = hook.script(
        r#"echo '{"questions": ["One: "], "echos": [true]}
{"questions": ["Two: ", "Three: "], "echos": [true, false]}'
read one; read two; read three
echo "$one|$two|$three" >> "${0%/*}/log"
echo '{"auth_result": 1}'"#,
    );
    let server = start(topology, hook, &script).await;
    let mut connection = Connection::open(server.sftp()).await;
    assert!(connection.answer("alice", &["1", "2 2", "3"]).await);
    assert_eq!(script.log(), "1|2 2|3\n");
}

async fn actions_that_misbehave_delay_nobody(topology: Topology) {
    let mark = mark();
    let script = Script::new(&format!(
        "head -c 268435456 /dev/zero\nhead -c 268435456 /dev/zero >&2\n\
         echo told >> \"${{0%/*}}/log\"\nexit 1 # {mark}"
    ));
    let actions = json!({ "execute_on": ["upload"], "command": script.path() });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/first", b"x").await.unwrap();
    until("the first notice", async || (script.log() == "told\n").then_some(())).await;
    let before = server.resident_of_hooks();
    let begin = Instant::now();
    for number in 0..20 {
        sftp.put(format!("/file-{number}"), b"x").await.unwrap();
    }
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    until_within(Duration::from_secs(120), "all notices", async || {
        (script.log().lines().count() == 21).then_some(())
    })
    .await;
    let grown = server.resident_of_hooks().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes more");
    script.nothing_runs(&mark).await;
}

async fn names_with_quotes_and_newlines_reach_an_action_as_they_are(topology: Topology) {
    let script = Script::new(
        "printf '<%s><%s>' \"$3\" \"$SFTPGO_ACTION_TARGET\" >> \"${0%/*}/log.new\"\n\
         mv \"${0%/*}/log.new\" \"${0%/*}/log\"",
    );
    let actions = json!({ "execute_on": ["rename"], "command": script.path() });
    let server = Server::with(topology, json!({ "sftpd": { "actions": actions } })).await;
    let alice = server.user("alice").await;
    let name = "a'b\"c\n$(touch x)`id`;&|\\ \u{fc}%s";
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/file", b"x").await.unwrap();
    sftp.rename("/file", &format!("/{name}")).await.unwrap();
    let told = until("the notice", async || Some(script.log()).filter(|log| !log.is_empty())).await;
    let (from, to) = (alice.path("file"), alice.path(name));
    assert_eq!(told, format!("<{}><{}>", from.display(), to.display()));
}
