//! Orphans are reaped and exit statuses of own programs are not stolen. The test is a process of its
//! own: it makes itself a subreaper, as PID 1 of a container is one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test starts programs")]

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use ferryd_runtime::orphans;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// Runs a script that leaves a process in the background; returns its exit status and that process.
async fn run(script: &str) -> (i32, String) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).stdout(Stdio::piped());
    let mut child = orphans::spawn(&mut command).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).await.unwrap();
    (child.wait().await.unwrap().code().unwrap(), said.trim().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_are_reaped_and_programs_keep_their_exit_status() {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
    orphans::reap_orphans().unwrap();
    let mut left = Vec::new();
    for round in 0..20 {
        // Ends at once, later than its parent, and by a signal that has no name.
        let scripts = [
            "true >&- & echo $!; exit 3",
            "sleep 0.05 >&- & echo $!; exit 4",
            "(kill -40 $(exec sh -c 'echo $PPID')) >&- & echo $!; exit 5",
        ];
        let runs = scripts.map(|script| tokio::spawn(run(script)));
        for (number, run) in runs.into_iter().enumerate() {
            let (status, orphan) = run.await.unwrap();
            assert_eq!(status, i32::try_from(number).unwrap() + 3, "round {round}");
            left.push(orphan);
        }
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Some(orphan) = left.iter().find(|pid| Path::new("/proc").join(pid).exists()) {
        assert!(Instant::now() < deadline, "{orphan} is still there");
        tokio::task::yield_now().await;
    }
}
