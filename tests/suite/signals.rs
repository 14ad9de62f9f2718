//! Signals, and what scripts that rotate logs do.

use std::path::{Path, PathBuf};

use ferryd_tests::raw_sftp::flags;
use ferryd_tests::{Server, Topology, both_topologies, until};
use serde_json::json;

both_topologies!(
    signals_that_say_nothing_end_no_transfer,
    a_limit_on_the_size_of_files_ends_an_upload_and_not_the_server,
    a_log_that_was_renamed_or_removed_is_followed,
    sigusr1_opens_the_log_anew,
);

async fn signals_that_say_nothing_end_no_transfer(topology: Topology) {
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let mut sftp = server.sftp_of(&alice).await;
    let handle = sftp.open("/file", flags::PUT).await.unwrap();
    sftp.write(&handle, 0, b"before").await.unwrap();
    let names = ["USR1", "USR2", "ALRM", "VTALRM", "PROF", "IO", "PWR", "XCPU", "XFSZ"];
    for signal in names.into_iter().chain(["HUP", "PIPE", "CHLD", "WINCH", "URG", "35", "64"]) {
        server.programs().for_each(|program| program.signal(signal));
        sftp.stat("/file").await.unwrap();
        server.assert_running();
    }
    sftp.write(&handle, 6, b" and after").await.unwrap();
    sftp.close(&handle).await.unwrap();
    assert_eq!(alice.read("file"), b"before and after");
}

async fn a_limit_on_the_size_of_files_ends_an_upload_and_not_the_server(topology: Topology) {
    const LIMIT: usize = 4 << 20;
    let mut server = Server::start(topology).await;
    let alice = server.user("alice").await;
    for program in server.programs() {
        let (pid, limit) = (program.id().to_string(), format!("--fsize={LIMIT}"));
        let set = std::process::Command::new("prlimit").args(["--pid", &pid, &limit]).status();
        assert!(set.unwrap().success());
    }
    let mut sftp = server.sftp_of(&alice).await;
    sftp.put("/too-large", &vec![7; LIMIT + 1]).await.unwrap_err();
    server.assert_running();
    sftp.put("/small", b"x").await.unwrap();
}

async fn a_log_that_was_renamed_or_removed_is_followed(topology: Topology) {
    let server = Server::start(topology).await;
    let alice = server.user("alice").await;
    let logs: Vec<_> = server.programs().map(|program| program.log_file().to_owned()).collect();
    for log in &logs {
        std::fs::rename(log, aside(log)).unwrap();
    }
    server.sftp_of(&alice).await.put("/first", b"x").await.unwrap();
    server.record("Upload", |record| record["file_path"] == json!(alice.path("first"))).await;
    let control = logs.last().unwrap();
    until("a log of the REST API", async || written(control).contains("httpd").then_some(())).await;
    for log in &logs {
        std::fs::remove_file(log).unwrap();
    }
    server.sftp_of(&alice).await.put("/second", b"x").await.unwrap();
    server.record("Upload", |record| record["file_path"] == json!(alice.path("second"))).await;
}

async fn sigusr1_opens_the_log_anew(topology: Topology) {
    let server = Server::start(topology).await;
    for program in server.programs() {
        let log = program.log_file();
        std::fs::rename(log, aside(log)).unwrap();
        program.signal("USR1");
        until("the new log", async || written(log).contains("SIGUSR1").then_some(())).await;
    }
}

fn aside(log: &Path) -> PathBuf {
    log.with_extension("log.1")
}

fn written(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}
