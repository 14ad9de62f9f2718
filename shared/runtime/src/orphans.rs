//! Reaps orphans: a process whose parent has ended becomes a child of PID 1 of the container, or of
//! a subreaper (prctl(2)), and stays a zombie until that waits for it. What a program leaves in the
//! background ends so. A program that this process has started is left to whoever waits for it.

use std::collections::HashSet;
use std::io;

use ferryd_domain::Fault;
use parking_lot::Mutex;
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, child_subreaper, getpid, waitid};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// The programs that this process has started and waits for itself; `None` while it gets no orphans.
static PROGRAMS: Mutex<Option<HashSet<Pid>>> = Mutex::new(None);

/// Starts a program that the caller waits for. Every program must be started here, else its exit
/// status could be taken for that of an orphan.
///
/// # Errors
/// Those of the start.
pub fn spawn(command: &mut Command) -> io::Result<Child> {
    let mut programs = PROGRAMS.lock();
    let Some(programs) = programs.as_mut() else {
        drop(programs);
        return command.spawn();
    };
    // Under the lock: a program that ends at once must be known before orphans are looked for.
    let child = command.spawn()?;
    programs.extend(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    Ok(child)
}

/// Starts to reap orphans, when this process is the one that gets them. Must be called within a
/// runtime, before a program is started.
///
/// # Errors
/// `Failed` when SIGCHLD cannot be caught.
pub fn reap_orphans() -> Result<(), Fault> {
    if !gets_orphans() {
        return Ok(());
    }
    let mut ended = signal(SignalKind::child())
        .map_err(|error| Fault::failed("signals cannot be caught").because(error))?;
    if let Err(error) = children() {
        tracing::warn!(sender = "service", %error, "children of other programs stay zombies");
        return Ok(());
    }
    PROGRAMS.lock().get_or_insert_default();
    tokio::spawn(async move {
        loop {
            reap();
            if ended.recv().await.is_none() {
                return;
            }
        }
    });
    Ok(())
}

fn gets_orphans() -> bool {
    getpid() == Pid::INIT || child_subreaper().is_ok_and(|subreaper| subreaper.is_some())
}

/// Waits for every orphan that has ended.
fn reap() {
    let mut programs = PROGRAMS.lock();
    let Some(programs) = programs.as_mut() else { return };
    programs.retain(|pid| is_child(*pid));
    for orphan in children().unwrap_or_default() {
        if !programs.contains(&orphan) {
            // What still runs is reaped at a later SIGCHLD.
            let _ = waitid(WaitId::Pid(orphan), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
}

/// Tells whether nobody has waited for a child yet, without doing so.
fn is_child(pid: Pid) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), look), Err(Errno::CHILD))
}

/// Returns the children of the main thread: orphans become children of the first thread that runs
/// (proc_pid_children(5)).
#[expect(clippy::disallowed_methods, reason = "a file of the process itself")]
fn children() -> io::Result<Vec<Pid>> {
    let process = getpid().as_raw_pid();
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children"))?;
    Ok(list.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
}
