//! Tasks of tokio under the names that russh uses.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::turns::{self, InTurns};

/// A task that ended without a result: a defect ended it, or its runtime is gone.
#[derive(Debug)]
pub struct JoinError;

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task ended without a result")
    }
}

impl Error for JoinError {}

/// A task whose result can be waited for. Dropping it does not end the task.
#[derive(Debug)]
pub struct JoinHandle<T: Send>(tokio::task::JoinHandle<T>);

impl<T: Send> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_err(|_| JoinError)
    }
}

/// Starts a task on the current runtime. The task is the future itself and no larger, unless it goes
/// on in turns ([`crate::turns`]).
pub fn spawn<F, T>(future: F) -> JoinHandle<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    match turns::take() {
        Some(turns) => JoinHandle(tokio::spawn(InTurns::new(turns, future))),
        None => JoinHandle(tokio::spawn(future)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_arrives_and_a_defect_is_an_error() {
        assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
        assert!(spawn(async { panic!("a defect") }).await.is_err());
    }

    #[tokio::test]
    async fn a_task_goes_on_when_nobody_waits_for_it() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        drop(spawn(async move { sender.send(7) }));
        assert_eq!(receiver.await, Ok(7));
    }
}
