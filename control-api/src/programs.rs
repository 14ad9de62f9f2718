//! Starts external programs, the only place that does. Without a shell, each in a process group of
//! its own that is killed when its time is over or nobody waits any more; bounded in number and output.

mod conversation;
mod running;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::{Fault, FaultKind, Secret};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use conversation::Conversation;
use running::{Running, Streams};

/// Prefixes under which each variable is given; scripts written for the older name go on working.
const PREFIXES: [&str; 2] = ["SFTPGO_", "FERRYD_"];
/// Standard output that is taken in.
const MAX_OUTPUT: usize = 1024 * 1024;

/// One run of a program: what it is given and how long it may take.
#[derive(Clone, Debug)]
pub struct Invocation {
    program: PathBuf,
    arguments: Vec<Secret<OsString>>,
    variables: Vec<(&'static str, Secret<OsString>)>,
    limit: Duration,
}

impl Invocation {
    /// Returns a run without arguments and variables.
    pub fn new(program: &Path, limit: Duration) -> Self {
        Self { program: program.to_owned(), arguments: Vec::new(), variables: Vec::new(), limit }
    }

    /// Adds an argument.
    #[must_use]
    pub fn argument(mut self, value: impl Into<OsString>) -> Self {
        self.arguments.push(Secret::new(value.into()));
        self
    }

    /// Adds a variable; `name` is without a prefix, e.g. `AUTHD_USERNAME`.
    #[must_use]
    pub fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, Secret::new(value.into())));
        self
    }

    /// Checks what the operating system would misread: values come from remote users, and a NUL
    /// would end them early.
    fn check(&self) -> Result<(), Fault> {
        check_program(&self.program)?;
        let values = self.arguments.iter().chain(self.variables.iter().map(|(_, value)| value));
        if values.into_iter().any(|value| value.expose().as_encoded_bytes().contains(&0)) {
            return Err(Fault::invalid("a value for a program contains a NUL byte"));
        }
        Ok(())
    }

    fn environment(&self) -> impl Iterator<Item = (String, &OsStr)> {
        self.variables.iter().flat_map(|(name, value)| {
            PREFIXES.map(|prefix| (format!("{prefix}{name}"), value.expose().as_os_str()))
        })
    }
}

/// Checks the path of a program as it stands in the configuration.
///
/// # Errors
/// `InvalidInput` for a path that is not absolute or has a NUL.
pub fn check_program(path: &Path) -> Result<(), Fault> {
    if !path.is_absolute() || path.as_os_str().as_encoded_bytes().contains(&0) {
        return Err(Fault::invalid("the path of a program must be absolute"));
    }
    Ok(())
}

/// Runs programs, so many at once.
#[derive(Clone, Debug)]
pub struct Programs {
    running: Arc<Semaphore>,
}

impl Programs {
    /// Returns a runner for this many programs at once; more wait, within their time limit.
    pub fn new(at_once: usize) -> Self {
        Self { running: Arc::new(Semaphore::new(at_once)) }
    }

    /// Runs a program and returns what it wrote. Nothing of it is left running.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL in a value; `Failed` when it cannot be started, ends with another
    /// status than 0 or writes too much; `DeadlineExceeded` at the time limit.
    pub async fn output(&self, invocation: &Invocation) -> Result<Vec<u8>, Fault> {
        let deadline = Instant::now() + invocation.limit;
        let mut running = self.start(invocation, Streams::Output, deadline).await?;
        within(deadline, running.collect()).await
    }

    /// Runs a program whose output does not matter. What it leaves in the background goes on when
    /// it ends in time.
    ///
    /// # Errors
    /// As for [`Self::output`].
    pub async fn run(&self, invocation: &Invocation) -> Result<(), Fault> {
        let deadline = Instant::now() + invocation.limit;
        let mut running = self.start(invocation, Streams::None, deadline).await?;
        within(deadline, running.finish()).await?;
        running.leave_background();
        Ok(())
    }

    /// Starts a program that is spoken with line by line.
    ///
    /// # Errors
    /// As for [`Self::output`].
    pub async fn converse(&self, invocation: &Invocation) -> Result<Conversation, Fault> {
        let deadline = Instant::now() + invocation.limit;
        let running = self.start(invocation, Streams::Dialog, deadline).await?;
        Conversation::new(running, deadline)
    }

    async fn start(
        &self,
        invocation: &Invocation,
        streams: Streams,
        deadline: Instant,
    ) -> Result<Running, Fault> {
        invocation.check()?;
        let permit = within(deadline, async {
            Arc::clone(&self.running)
                .acquire_owned()
                .await
                .map_err(|error| Fault::internal("program slots").because(error))
        })
        .await?;
        Running::start(invocation, streams, permit).await
    }
}

async fn within<T>(
    deadline: Instant,
    work: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    tokio::time::timeout_at(deadline, work).await.unwrap_or_else(|_| {
        Err(Fault::new(FaultKind::DeadlineExceeded, "the program took too long"))
    })
}

#[cfg(test)]
mod tests;
