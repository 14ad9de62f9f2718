//! The clients of OpenSSH: `sftp` and `ssh`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::agent::Agent;
use crate::keys::{KeyPair, client_key};
use crate::server::Server;
use crate::users::User;
use crate::wait::{PATIENCE, soon_within};

/// What a client has said.
#[derive(Debug)]
pub struct Said {
    /// Whether its exit status is 0.
    pub well: bool,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Said {
    /// Fails unless the client ended well.
    #[track_caller]
    pub fn assert_well(&self) {
        assert!(self.well, "{self:#?}");
    }
}

impl Server {
    /// Runs `sftp` with a batch of commands; any that fails ends it.
    pub async fn sftp_batch(&self, user: &User, options: &[&str], batch: &str) -> Said {
        let mut command = self.client("sftp", client_key());
        command.args(options).args(["-P", &self.sftp().port().to_string(), "-b", "-"]);
        command.arg(format!("{}@127.0.0.1", user.name));
        run(command, batch.as_bytes()).await
    }

    /// Runs `sftp` with the keys of an agent and no others.
    pub async fn sftp_with_agent(&self, name: &str, agent: &Agent, batch: &str) -> Said {
        let mut command = Command::new("sftp");
        command.args(common()).args(["-o", "BatchMode=yes", "-o", "IdentityFile=none"]);
        command.arg("-o").arg(format!("IdentityAgent={}", agent.socket().display()));
        command.args(["-P", &self.sftp().port().to_string(), "-b", "-"]);
        command.arg(format!("{name}@127.0.0.1")).env_remove("SSH_AUTH_SOCK");
        run(command, batch.as_bytes()).await
    }

    /// Runs `ssh` with these arguments behind the destination.
    pub async fn ssh(&self, user: &User, key: &KeyPair, arguments: &[&str]) -> Said {
        self.ssh_with_input(user, key, arguments, b"").await
    }

    /// Runs `ssh` with something on its standard input.
    pub async fn ssh_with_input(
        &self,
        user: &User,
        key: &KeyPair,
        arguments: &[&str],
        input: &[u8],
    ) -> Said {
        let mut command = self.ssh_command_with(user, key);
        command.args(arguments);
        run(command, input).await
    }

    /// Returns `ssh` up to the destination, for who wants to steer it.
    pub fn ssh_command(&self, user: &User) -> Command {
        self.ssh_command_with(user, client_key())
    }

    fn ssh_command_with(&self, user: &User, key: &KeyPair) -> Command {
        let mut command = self.client("ssh", key);
        command.args(["-p", &self.sftp().port().to_string()]);
        command.arg(format!("{}@127.0.0.1", user.name));
        command
    }

    /// Runs `sftp` with a password instead of a key.
    pub async fn sftp_with_password(&self, name: &str, password: &str, batch: &str) -> Said {
        let script = self.folder().join(format!("askpass-{}", batch.len()));
        write_script(&script, &format!("#!/bin/sh\nprintf '%s\\n' '{password}'\n"));
        let commands = self.folder().join("batch");
        std::fs::write(&commands, batch).unwrap();
        let mut command = Command::new("sftp");
        command.args(common()).args(["-o", "PreferredAuthentications=password"]);
        command.args(["-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no"]);
        command.args(["-P", &self.sftp().port().to_string(), "-b"]).arg(&commands);
        // `sftp -b` would switch questions off.
        command.args(["-o", "BatchMode=no"]);
        command.env("SSH_ASKPASS", &script).env("SSH_ASKPASS_REQUIRE", "force");
        command.arg(format!("{name}@127.0.0.1"));
        run(command, b"").await
    }

    fn client(&self, program: &str, key: &KeyPair) -> Command {
        let mut command = Command::new(program);
        command.args(common()).args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]);
        command.arg("-i").arg(&key.file).env_remove("SSH_AUTH_SOCK");
        command
    }
}

fn common() -> [&'static str; 10] {
    [
        "-F",
        "/dev/null",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-o",
        "ConnectTimeout=20",
    ]
}

fn write_script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

/// Runs a program with input and returns what it said.
pub async fn run(mut command: Command, input: &[u8]) -> Said {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    // A client that has ended early takes no input; what it said tells why.
    let _ = stdin.write_all(input).await;
    drop(stdin);
    let output = soon_within(patience(), "a client to end", child.wait_with_output()).await;
    let output = output.unwrap();
    Said {
        well: output.status.success(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A client may carry a big file, built and run without optimization: 4 MiB take a second at most.
fn patience() -> Duration {
    PATIENCE + Duration::from_secs(crate::files::big() >> 22)
}
