//! The binary from outside: how it starts, what it says, how it ends.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

#[expect(clippy::disallowed_methods, reason = "starts the program under test")]
fn ferryd(config_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ferryd"));
    command
        .args(["serve", "--config-dir"])
        .arg(config_dir)
        .env_clear()
        .current_dir(config_dir)
        .env("FERRYD_SFTPD__BIND_ADDRESS", "127.0.0.1")
        .env("FERRYD_SFTPD__BIND_PORT", "0")
        .env("FERRYD_HTTPD__BIND_PORT", "0")
        .stdin(Stdio::null());
    command
}

#[expect(clippy::disallowed_methods, reason = "makes the files of the tests")]
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::write(path, text)
}

fn failed(output: &Output) -> String {
    assert!(!output.status.success(), "it has started");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Returns what the program says until a line with this text.
fn said(child: &mut Child, text: &str) -> Option<String> {
    let mut reader = BufReader::new(child.stderr.take()?);
    let mut all = String::new();
    while !all.contains(text) {
        if reader.read_line(&mut all).ok()? == 0 {
            return Some(all);
        }
    }
    child.stderr = Some(reader.into_inner());
    Some(all)
}

#[test]
fn a_first_start_makes_what_is_missing_and_a_signal_ends_it_in_order() {
    let dir = TempDir::new().unwrap();
    let mut command = ferryd(dir.path());
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let text = said(&mut child, "There is no account yet").unwrap();
    assert!(text.contains("SFTP    port"), "{text}");
    assert!(text.contains("sftpgo.db (sqlite)"), "{text}");
    for file in ["sftpgo.db", "ferryd.log", "id_rsa", "id_ecdsa", "id_ed25519"] {
        assert!(dir.path().join(file).exists(), "{file}");
    }
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::HUP).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    for left in ["sftpgo.db-wal", "sftpgo.db-shm"] {
        assert!(!dir.path().join(left).exists(), "{left}");
    }
}

#[test]
fn a_port_that_is_taken_ends_the_program() {
    let dir = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = ferryd(dir.path()).env("FERRYD_HTTPD__BIND_PORT", &port).output().unwrap();
    let text = failed(&output);
    assert!(text.contains(&port), "{text}");
}

#[test]
fn a_configuration_that_cannot_be_read_ends_the_program_with_its_line() {
    let dir = TempDir::new().unwrap();
    write(&dir.path().join("ferryd.toml"), "[sftpd]\nbind_port = \n").unwrap();
    let text = failed(&ferryd(dir.path()).output().unwrap());
    assert!(text.contains("ferryd.toml, line 2"), "{text}");
}

#[test]
fn a_host_key_that_cannot_be_read_ends_the_program() {
    let dir = TempDir::new().unwrap();
    let text = failed(&ferryd(dir.path()).env("FERRYD_SFTPD__KEYS", "host_key").output().unwrap());
    assert!(text.contains("host_key"), "{text}");
}
