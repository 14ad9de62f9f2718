//! What the programs say about their settings: at a start that is refused, and with `check`, which
//! starts nothing.

use std::path::{Path, PathBuf};
use std::process::Output;

use ferryd_tests::binaries::binary;
use ferryd_tests::{Server, Topology, both_topologies, keys};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

both_topologies!(
    what_is_not_built_ends_the_start,
    a_key_that_cannot_be_used_is_told_with_its_remedy,
    mistakes_are_told_with_their_place,
    an_api_without_a_password_is_warned_about,
    check_finds_nothing_wrong_with_a_running_server,
    check_tells_every_mistake_and_changes_nothing,
);

/// A folder with a configuration, whose ports the system chooses.
struct Bed {
    folder: TempDir,
    topology: Topology,
    config: Value,
}

impl Bed {
    fn new(topology: Topology) -> Self {
        let token = "token-of-the-scenarios";
        let config = json!({
            "sftpd": { "bind_address": "127.0.0.1", "bind_port": 0,
                       "keys": [{ "private_key": keys::host_key().file }] },
            "httpd": { "bind_port": 0 },
            "grpc": { "bind_address": "127.0.0.1", "bind_port": 0, "node_token": token },
            "control_plane": { "url": "http://127.0.0.1:1", "node_token": token },
        });
        Self { folder: TempDir::new().unwrap(), topology, config }
    }

    fn set(&mut self, section: &str, key: &str, value: Value) {
        self.config[section][key] = value;
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Runs the program that reads a section, and returns what it said and whether it ended well.
    async fn run(
        &self,
        section: &str,
        command: &str,
        variables: &[(&str, &str)],
    ) -> (bool, String) {
        self.file("ferryd.json", &self.config.to_string());
        let name = match (self.topology, section) {
            (Topology::Single, _) => "ferryd",
            (Topology::Split, "sftpd") => "sftp-node",
            (Topology::Split, _) => "control-api",
        };
        said(name, command, self.folder.path(), variables).await
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

async fn said(
    name: &str,
    command: &str,
    folder: &Path,
    variables: &[(&str, &str)],
) -> (bool, String) {
    let mut program = Command::new(binary(name));
    program.args([command, "-f", "ferryd", "-l", "the.log", "-c"]).arg(folder);
    program.envs(variables.iter().copied()).current_dir(folder).kill_on_drop(true);
    let output = ferryd_tests::wait::soon("the end of the program", program.output()).await;
    let Output { status, stdout, stderr } = output.unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    (status.success(), text)
}

async fn what_is_not_built_ends_the_start(topology: Topology) {
    for (key, value, told) in [
        ("enabled_ssh_commands", json!(["pwd", "scp"]), "scp"),
        ("enabled_ssh_commands", json!(["git-upload-pack"]), "git-upload-pack"),
        ("enabled_ssh_commands", json!(["*", "rsync"]), "rsync"),
        ("enable_scp", json!(true), "enable_scp"),
        ("proxy_protocol", json!(1), "proxy_protocol"),
        ("proxy_protocol", json!(2), "proxy_protocol"),
    ] {
        let mut bed = Bed::new(topology);
        bed.set("sftpd", key, value);
        for command in ["serve", "check"] {
            let (well, text) = bed.run("sftpd", command, &[]).await;
            assert!(!well && text.contains(told), "{key} {command}: {text}");
        }
    }
    for driver in ["mysql", "postgresql", "bolt"] {
        let mut bed = Bed::new(topology);
        bed.set("data_provider", "driver", json!(driver));
        let (well, text) = bed.run("data_provider", "serve", &[]).await;
        assert!(!well && text.contains(driver), "{text}");
    }
}

async fn a_key_that_cannot_be_used_is_told_with_its_remedy(topology: Topology) {
    let plain = std::fs::read_to_string(&keys::host_key().file).unwrap();
    let locked = keys::make("ed25519", &["-N", "secret"]);
    for (name, text, told) in [
        ("locked", std::fs::read_to_string(locked.file).unwrap(), "pass phrase"),
        ("key.pub", keys::host_key().line.clone(), "without .pub"),
        ("empty", String::new(), "empty"),
        ("half", plain[..plain.len() / 2].to_owned(), "damaged"),
    ] {
        let mut bed = Bed::new(topology);
        let file = bed.file(name, &text);
        bed.set("sftpd", "keys", json!([{ "private_key": file }]));
        for command in ["serve", "check"] {
            let (well, said) = bed.run("sftpd", command, &[]).await;
            assert!(!well && said.contains(told) && said.contains(name), "{name}: {said}");
        }
    }
}

async fn mistakes_are_told_with_their_place(topology: Topology) {
    let mut bed = Bed::new(topology);
    bed.set("sftpd", "bind_port", json!(70_000));
    let (well, text) = bed.run("sftpd", "serve", &[]).await;
    assert!(!well, "{text}");
    for told in ["ferryd.json", "sftpd.bind_port", "70000", "65535"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    let mut bed = Bed::new(topology);
    bed.set("sftpd", "umasks", json!("022"));
    let variables = [("FERRYD_SFTPD_BIND_PORT", "1"), ("FERRYD_SERVICE_HOST", "10.0.0.1")];
    let (well, text) = bed.run("sftpd", "check", &variables).await;
    assert!(well, "{text}");
    for told in ["sftpd.umask\"", "\"FERRYD_SFTPD__BIND_PORT\""] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert!(!text.contains("SERVICE_HOST"), "{text}");
    let mut bed = Bed::new(topology);
    bed.set("httpd", "bind_port", json!(8080));
    bed.set("httpd", "auth_user_file", json!("users"));
    bed.file("users", "# nobody\nplain:secret\nsha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    let (_, text) = bed.run("httpd", "check", &[]).await;
    assert!(text.contains("line 2") && text.contains("line 3") && text.contains("{SHA}"), "{text}");
    assert!(text.contains("htpasswd -B") && !text.contains("secret"), "{text}");
    for name in ["ferryd", "control-api", "sftp-node"] {
        let version = Command::new(binary(name)).arg("-V").output().await.unwrap();
        assert!(version.status.success(), "{name}: {version:?}");
    }
}

async fn an_api_without_a_password_is_warned_about(topology: Topology) {
    let mut bed = Bed::new(topology);
    bed.set("httpd", "bind_address", json!("0.0.0.0"));
    bed.set("httpd", "bind_port", json!(8080));
    let (well, text) = bed.run("httpd", "check", &[]).await;
    assert!(
        well && text.contains("warning: httpd:") && text.contains("without a password"),
        "{text}"
    );
    bed.set("httpd", "bind_address", json!("127.0.0.1"));
    let (well, text) = bed.run("httpd", "check", &[]).await;
    assert!(well && !text.contains("without a password"), "{text}");
    let server = Server::with(topology, json!({ "httpd": { "bind_address": "" } })).await;
    assert!(server.log_of_hooks().contains("manages all accounts without a password"));
}

/// The programs of the topology.
fn programs(topology: Topology) -> &'static [&'static str] {
    match topology {
        Topology::Single => &["ferryd"],
        Topology::Split => &["control-api", "sftp-node"],
    }
}

async fn check_finds_nothing_wrong_with_a_running_server(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for name in programs(topology) {
        let (well, text) = said(name, "check", server.folder(), &[]).await;
        assert!(well && text.contains("no errors found"), "{text}");
        assert!(text.contains("is taken"), "the port is in use: {text}");
        assert!(!text.contains("alice"), "{text}");
    }
    let line = format!("command=\"x\" {}", keys::client_key().line);
    let lines = json!([line]).to_string();
    crate::imported_accounts::store(&server, &alice, "public_keys", &lines).await;
    let (well, text) = said(programs(topology)[0], "check", server.folder(), &[]).await;
    assert!(well && text.contains("alice") && text.contains("command="), "{text}");
    server.sftp_of(&server.user("bob").await).await.list("/").await.unwrap();
}

async fn check_tells_every_mistake_and_changes_nothing(topology: Topology) {
    let mut bed = Bed::new(topology);
    bed.set("sftpd", "keys", json!([{ "private_key": "nowhere" }, { "private_key": "empty" }]));
    bed.set("data_provider", "external_auth_program", json!("/nowhere/program"));
    bed.set("httpd", "bind_port", json!(8080));
    bed.set("httpd", "certificate_file", json!("half"));
    bed.file("empty", "");
    bed.file("ferryd.json", "");
    let before = bed.files();
    let mut all = String::new();
    for section in ["sftpd", "data_provider"] {
        let (well, text) = bed.run(section, "check", &[]).await;
        assert!(!well, "{text}");
        all.push_str(&text);
    }
    for told in
        ["nowhere", "empty", "external_auth_program", "certificate_key_file", "errors found"]
    {
        assert!(all.contains(told), "{told}: {all}");
    }
    assert_eq!(bed.files(), before, "no key, log or database was made");
}
