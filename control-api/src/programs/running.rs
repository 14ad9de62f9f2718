//! A program that is running: its process group, its streams, its end.

use std::io::ErrorKind;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use ferryd_domain::Fault;
use ferryd_runtime::orphans;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Invocation, MAX_OUTPUT};

/// How long output is waited for that a background process still holds back.
const GRACE: Duration = Duration::from_secs(1);
/// Standard error that goes to the log; the rest is read and dropped.
const MAX_LOGGED: usize = 16 * 1024;
/// A program that is being replaced cannot be started for a moment.
const BUSY_TRIES: u32 = 10;
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Which standard streams are connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    /// None.
    None,
    /// Standard output.
    Output,
    /// Standard input and output.
    Dialog,
}

/// A started program. Dropping it kills its process group.
#[derive(Debug)]
pub(super) struct Running {
    group: Group,
    child: Child,
    /// Kept as long as standard error is to be read; when it is dropped, what is there still is.
    errors: oneshot::Sender<()>,
    /// Kills the group when its time is over, although nobody asks.
    watchdog: Background,
    _permit: OwnedSemaphorePermit,
}

/// The process group of a program; killed on drop, so that no child of it is left.
#[derive(Debug)]
struct Group(Option<Pid>);

/// A task that ends with the program's owner.
#[derive(Debug)]
struct Background(Option<JoinHandle<()>>);

impl Running {
    pub(super) async fn start(
        invocation: &Invocation,
        streams: Streams,
        permit: OwnedSemaphorePermit,
    ) -> Result<Self, Fault> {
        let mut command = command(invocation, streams);
        let mut child = spawn(&mut command)
            .await
            .map_err(|error| Fault::failed("a program cannot be started").because(error))?;
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let program = invocation.program.display().to_string();
        let (errors, owner) = oneshot::channel();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log_errors_of(owner, log_errors(program, stderr)));
        }
        Ok(Self { group: Group(pid), child, errors, watchdog: Background(None), _permit: permit })
    }

    /// Kills the program at the deadline, also while its owner waits for something else. For a
    /// program that is not waited for: its process id stays its own until it is dropped.
    pub(super) fn kill_at(&mut self, deadline: Instant) {
        // Not a `Group`: an aborted task is dropped at a time when the number may be another's.
        let Some(pid) = self.group.0 else { return };
        self.watchdog = Background(Some(tokio::spawn(async move {
            tokio::time::sleep_until(deadline).await;
            kill_group(pid);
        })));
    }

    /// Kills the program and its children.
    pub(super) fn kill(&self) {
        self.group.kill();
    }

    /// Takes the two ends of a dialog.
    pub(super) fn take_dialog(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        self.child.stdin.take().zip(self.child.stdout.take())
    }

    /// Waits for the end and returns what was written.
    pub(super) async fn collect(&mut self) -> Result<Vec<u8>, Fault> {
        let Some(stdout) = self.child.stdout.take() else { return Ok(Vec::new()) };
        let mut output = Vec::new();
        let status = {
            let mut reading = std::pin::pin!(read_all(stdout, &mut output));
            tokio::select! {
                read = &mut reading => {
                    read?;
                    self.child.wait().await
                }
                status = self.child.wait() => {
                    // A process in the background may hold the pipe open; the answer is there.
                    if let Ok(read) = tokio::time::timeout(GRACE, &mut reading).await {
                        read?;
                    }
                    status
                }
            }
        };
        check_status(status)?;
        Ok(output)
    }

    /// Waits for the end.
    pub(super) async fn finish(&mut self) -> Result<(), Fault> {
        let status = self.child.wait().await;
        check_status(status)
    }

    /// Spares what the program left in the background.
    pub(super) fn leave_background(mut self) {
        self.group.0 = None;
        // Its standard error is still read, as writing to a closed pipe would end it.
        let _ = self.errors.send(());
    }
}

impl Group {
    fn kill(&self) {
        if let Some(pid) = self.0 {
            kill_group(pid);
        }
    }
}

fn kill_group(pid: Pid) {
    // ESRCH: everybody has left already.
    let _ = kill_process_group(pid, Signal::KILL);
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that starts programs")]
fn command(invocation: &Invocation, streams: Streams) -> Command {
    let mut command = Command::new(&invocation.program);
    let piped_if = |connected| if connected { Stdio::piped() } else { Stdio::null() };
    command
        .args(invocation.arguments.iter().map(|argument| argument.expose()))
        .envs(invocation.environment())
        .stdin(piped_if(streams == Streams::Dialog))
        .stdout(piped_if(streams != Streams::None))
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

async fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 1..BUSY_TRIES {
        match orphans::spawn(command) {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            result => return result,
        }
    }
    orphans::spawn(command)
}

async fn read_all(mut stdout: impl AsyncRead + Unpin, output: &mut Vec<u8>) -> Result<(), Fault> {
    let failed = |error| Fault::failed("the output of a program cannot be read").because(error);
    while stdout.read_buf(output).await.map_err(failed)? > 0 {
        if output.len() > MAX_OUTPUT {
            return Err(Fault::failed("a program wrote too much"));
        }
    }
    Ok(())
}

fn check_status(status: std::io::Result<ExitStatus>) -> Result<(), Fault> {
    let status = status.map_err(|error| Fault::failed("a program got lost").because(error))?;
    if status.success() {
        return Ok(());
    }
    Err(Fault::failed("a program failed").context(status.to_string()))
}

/// Reads until the pipe closes, or a moment longer than its owner wants: the last words of a program
/// that has ended may still be in the pipe.
async fn log_errors_of(owner: oneshot::Receiver<()>, reading: impl Future<Output = ()>) {
    let mut reading = std::pin::pin!(reading);
    tokio::select! {
        () = &mut reading => {}
        left = owner => match left {
            Ok(()) => reading.await,
            // Whoever has left the group may hold the pipe open for ever.
            Err(_) => drop(tokio::time::timeout(GRACE, reading).await),
        }
    }
}

async fn log_errors(program: String, mut errors: ChildStderr) {
    let mut buffer = vec![0; 4096];
    let mut logged = 0;
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        let chunk = buffer.get(..count.min(MAX_LOGGED - logged)).unwrap_or_default();
        if !chunk.is_empty() {
            let text = String::from_utf8_lossy(chunk);
            tracing::debug!(sender = "programs", %program, stderr = ?text, "a program complains");
        }
        logged += chunk.len();
    }
}
