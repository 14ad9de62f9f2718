//! Tasks that are asked before each step whether it is their turn. russh starts the task of a
//! connection itself, so whoever starts russh hands the question in by [`with_turns`].

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

/// Decides when a task goes on. A step is what a task does until it waits: one poll.
pub trait Turns: Send {
    /// Returns when the next step may begin: `true`, or `false` to be asked no more.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<bool>;
    /// Told when a step is over.
    fn step_over(&mut self);
}

thread_local! {
    /// For the next task that is started on this thread.
    static NEXT: Cell<Option<Box<dyn Turns>>> = const { Cell::new(None) };
}

/// Runs a future; the first task that it starts goes on in these turns.
pub async fn with_turns<F: Future>(turns: Box<dyn Turns>, future: F) -> F::Output {
    let mut turns = Some(turns);
    let mut future = pin!(future);
    poll_fn(|cx| {
        NEXT.set(turns.take());
        let polled = future.as_mut().poll(cx);
        turns = NEXT.take();
        polled
    })
    .await
}

/// Takes what was handed in for the next task.
pub(crate) fn take() -> Option<Box<dyn Turns>> {
    NEXT.take()
}

/// A future that goes on in turns. Boxed: it is large, and moved once.
pub(crate) struct InTurns<F> {
    turns: Option<Box<dyn Turns>>,
    future: Pin<Box<F>>,
}

impl<F> InTurns<F> {
    /// Lets a future go on in turns.
    pub(crate) fn new(turns: Box<dyn Turns>, future: F) -> Self {
        Self { turns: Some(turns), future: Box::pin(future) }
    }
}

impl<F: Future> Future for InTurns<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if let Some(turns) = &mut self.turns
            && !ready!(turns.poll_turn(cx))
        {
            self.turns = None;
        }
        let polled = self.future.as_mut().poll(cx);
        if let Some(turns) = &mut self.turns {
            turns.step_over();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::runtime::spawn;

    /// Lets every other poll through, three steps in all.
    struct EveryOther {
        asked: Arc<AtomicU32>,
        over: Arc<AtomicU32>,
    }

    impl Turns for EveryOther {
        fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
            if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(self.over.load(Ordering::Relaxed) < 3)
        }

        fn step_over(&mut self) {
            self.over.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_task_goes_on_in_its_turns_until_nobody_asks() {
        let (asked, over) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let turns = EveryOther { asked: Arc::clone(&asked), over: Arc::clone(&over) };
        let starts = async {
            let steps = async {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
                7
            };
            tokio::task::yield_now().await;
            (spawn(steps), spawn(async { 8 }))
        };
        let (first, second) = with_turns(Box::new(turns), starts).await;
        assert_eq!((first.await.unwrap(), second.await.unwrap()), (7, 8));
        assert_eq!(over.load(Ordering::Relaxed), 3);
        assert_eq!(asked.load(Ordering::Relaxed), 8);
    }
}
