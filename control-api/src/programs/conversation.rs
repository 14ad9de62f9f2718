//! Speaks with a program line by line. The time limit holds for the whole conversation.

use std::io::ErrorKind;

use ferryd_domain::{Fault, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::time::Instant;

use super::running::Running;
use super::{MAX_OUTPUT, within};

/// The longest line that is taken in.
const MAX_LINE: usize = 64 * 1024;

/// A program that asks and is answered. Dropping it kills the program and its children.
#[derive(Debug)]
pub struct Conversation {
    running: Running,
    stdin: ChildStdin,
    stdout: ChildStdout,
    buffer: Vec<u8>,
    /// Bytes read so far.
    total: usize,
    deadline: Instant,
}

impl Conversation {
    pub(super) fn new(mut running: Running, deadline: Instant) -> Result<Self, Fault> {
        let (stdin, stdout) =
            running.take_dialog().ok_or_else(|| Fault::internal("a program without pipes"))?;
        running.kill_at(deadline);
        Ok(Self { running, stdin, stdout, buffer: Vec::new(), total: 0, deadline })
    }

    /// Returns the next line without its end, `None` when the program has closed its output.
    ///
    /// # Errors
    /// `Failed` when too much was written, `DeadlineExceeded` at the time limit.
    pub async fn next_line(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        within(self.deadline, Self::read_line(&mut self.stdout, &mut self.buffer, &mut self.total))
            .await
    }

    /// Gives one answer.
    ///
    /// # Errors
    /// `InvalidInput` for an answer that is more than one line, `DeadlineExceeded` at the limit.
    pub async fn answer(&mut self, answer: &Secret<String>) -> Result<(), Fault> {
        let text = answer.expose();
        // A line break would be taken for the answer to the next question.
        if text.contains(['\n', '\0']) {
            return Err(Fault::invalid("an answer is more than one line"));
        }
        let line = Secret::new(format!("{text}\n"));
        let stdin = &mut self.stdin;
        within(self.deadline, async {
            match stdin.write_all(line.expose().as_bytes()).await {
                // It may have written its result without waiting for answers; that is read next.
                Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                    Err(Fault::failed("a program cannot be answered").because(error))
                }
                Ok(()) | Err(_) => Ok(()),
            }
        })
        .await
    }

    /// Ends the program and its children now.
    pub fn end(&mut self) {
        self.running.kill();
    }

    async fn read_line(
        stdout: &mut ChildStdout,
        buffer: &mut Vec<u8>,
        total: &mut usize,
    ) -> Result<Option<Vec<u8>>, Fault> {
        let failed = |error| Fault::failed("the output of a program cannot be read").because(error);
        loop {
            if let Some(line) = take_line(buffer) {
                return Ok(Some(line));
            }
            if buffer.len() > MAX_LINE || *total > MAX_OUTPUT {
                return Err(Fault::failed("a program wrote too much"));
            }
            match stdout.read_buf(buffer).await.map_err(failed)? {
                0 if buffer.is_empty() => return Ok(None),
                0 => return Ok(Some(std::mem::take(buffer))),
                count => *total += count,
            }
        }
    }
}

fn take_line(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let end = buffer.iter().position(|byte| *byte == b'\n')?;
    let rest = buffer.split_off(end + 1);
    let mut line = std::mem::replace(buffer, rest);
    line.pop();
    Some(line)
}
