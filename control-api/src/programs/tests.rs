#![expect(clippy::disallowed_methods, reason = "tests write their own scripts")]

use std::os::unix::fs::PermissionsExt;

use super::*;

fn script(folder: &tempfile::TempDir, name: &str, body: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

async fn output(body: &str, limit: Duration) -> Result<Vec<u8>, Fault> {
    let folder = tempfile::tempdir().unwrap();
    let program = script(&folder, "program", body);
    Programs::new(2).output(&Invocation::new(&program, limit)).await
}

const LONG: Duration = Duration::from_secs(60);

/// Waits until a process is gone or only a zombie that waits for its parent.
async fn wait_until_gone(pid: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    let stat = format!("/proc/{}/stat", pid.trim());
    loop {
        match std::fs::read_to_string(&stat) {
            Err(_) => return,
            Ok(text) if text.contains(") Z ") => return,
            Ok(_) => assert!(std::time::Instant::now() < deadline, "process {pid} is alive"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn variables_come_in_both_spellings_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(
        &folder,
        "program",
        r#"printf '%s|%s|%s|%s' "$SFTPGO_AUTHD_USERNAME" "$FERRYD_AUTHD_USERNAME" "$1" "${PATH:+set}""#,
    );
    let hostile = "a'b\"c $(touch /tmp/x) `id`\n;&|é";
    let invocation =
        Invocation::new(&program, LONG).variable("AUTHD_USERNAME", hostile).argument(hostile);
    let output = Programs::new(1).output(&invocation).await.unwrap();
    assert_eq!(String::from_utf8(output).unwrap(), format!("{hostile}|{hostile}|{hostile}|set"));
}

#[tokio::test]
async fn a_nul_is_refused_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let program = script(&folder, "program", &format!("touch {}", mark.display()));
    let invocation = Invocation::new(&program, LONG).variable("AUTHD_USERNAME", "a\0b");
    let fault = Programs::new(1).output(&invocation).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::InvalidInput);
    assert!(!mark.exists());
}

#[tokio::test]
async fn relative_missing_and_broken_programs_are_faults() {
    for path in ["bin/sh", "/nonexistent/program", "/"] {
        let invocation = Invocation::new(Path::new(path), LONG);
        assert!(Programs::new(1).output(&invocation).await.is_err(), "{path}");
    }
    assert!(output("exit 1", LONG).await.is_err());
    assert!(output("kill -9 $$", LONG).await.is_err());
}

#[tokio::test]
async fn a_hanging_program_is_killed_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let program =
        script(&folder, "program", &format!("sleep 300 & echo $! $$ > {}; wait", pids.display()));
    let invocation = Invocation::new(&program, Duration::from_secs(1));
    let fault = Programs::new(1).output(&invocation).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    for pid in std::fs::read_to_string(&pids).unwrap().split_whitespace() {
        wait_until_gone(pid).await;
    }
}

#[tokio::test]
async fn a_child_in_the_background_holds_nobody_up() {
    let started = std::time::Instant::now();
    let answer = output("echo answer; sleep 300 &", LONG).await.unwrap();
    assert_eq!(answer, b"answer\n");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn a_program_that_never_stops_writing_is_killed() {
    let fault = output("exec cat /dev/zero", LONG).await.unwrap_err();
    assert!(fault.to_string().contains("too much"));
}

#[tokio::test]
async fn much_on_standard_error_stops_nothing() {
    let answer = output("head -c 3000000 /dev/zero >&2; echo done", LONG).await.unwrap();
    assert_eq!(answer, b"done\n");
}

#[tokio::test]
async fn dropping_the_run_kills_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let program = script(
        &folder,
        "program",
        &format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 300", pid.display()),
    );
    let programs = Programs::new(1);
    let invocation = Invocation::new(&program, LONG);
    let run = tokio::spawn(async move { programs.output(&invocation).await });
    while !pid.exists() {
        tokio::task::yield_now().await;
    }
    run.abort();
    let _ = run.await;
    wait_until_gone(&std::fs::read_to_string(&pid).unwrap()).await;
}

#[tokio::test]
async fn waiting_for_a_free_slot_counts_against_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(&folder, "program", "exec sleep 300");
    let programs = Programs::new(1);
    let long = Invocation::new(&program, LONG);
    let other = programs.clone();
    let holder = tokio::spawn(async move { other.output(&long).await });
    while programs.running.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    let short = Invocation::new(&program, Duration::from_millis(50));
    let fault = programs.output(&short).await.unwrap_err();
    assert_eq!(fault.kind(), FaultKind::DeadlineExceeded);
    holder.abort();
}

#[tokio::test]
async fn lines_go_back_and_forth() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(&folder, "program", "echo one; read A; echo \"got $A\"; printf last");
    let programs = Programs::new(1);
    let mut talk = programs.converse(&Invocation::new(&program, LONG)).await.unwrap();
    assert_eq!(talk.next_line().await.unwrap().unwrap(), b"one");
    talk.answer(&Secret::new("it's \"this\"".into())).await.unwrap();
    assert_eq!(talk.next_line().await.unwrap().unwrap(), b"got it's \"this\"");
    assert_eq!(talk.next_line().await.unwrap().unwrap(), b"last");
    assert_eq!(talk.next_line().await.unwrap(), None);
    assert!(talk.answer(&Secret::new("two\nlines".into())).await.is_err());
    talk.answer(&Secret::new("nobody reads this".into())).await.unwrap();
}

#[tokio::test]
async fn an_endless_line_ends_a_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(&folder, "program", "exec cat /dev/zero");
    let mut talk = Programs::new(1).converse(&Invocation::new(&program, LONG)).await.unwrap();
    assert!(talk.next_line().await.is_err());
}

#[tokio::test]
async fn a_conversation_ends_at_its_limit_although_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(&folder, "program", "sleep 300 & echo $! $$; wait");
    let invocation = Invocation::new(&program, Duration::from_secs(1));
    let mut talk = Programs::new(1).converse(&invocation).await.unwrap();
    let pids = String::from_utf8(talk.next_line().await.unwrap().unwrap()).unwrap();
    for pid in pids.split_whitespace() {
        wait_until_gone(pid).await;
    }
    assert!(!matches!(talk.next_line().await, Ok(Some(_))));
}
