//! A connection that ends when its client does nothing for too long: idle between requests, slow
//! in sending one, or not taking the answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long a client may be silent between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(120);
/// How long a client may take to send the head of a request.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// How long a client may take none of the bytes of an answer.
const WRITE_LIMIT: Duration = Duration::from_secs(60);

/// What the requests of a connection are doing; shared between the stream and the service.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase(Arc<Requests>);

#[derive(Debug, Default)]
struct Requests {
    began: AtomicUsize,
    ended: AtomicUsize,
}

impl Phase {
    /// Counts a request; it is in work until the returned value is dropped.
    pub(super) fn request_began(&self) -> InWork {
        self.0.began.fetch_add(1, Ordering::Relaxed);
        InWork(Arc::clone(&self.0))
    }

    fn began(&self) -> usize {
        self.0.began.load(Ordering::Relaxed)
    }

    fn is_working(&self) -> bool {
        self.began() != self.0.ended.load(Ordering::Relaxed)
    }
}

/// A request that is in work.
#[derive(Debug)]
pub(super) struct InWork(Arc<Requests>);

impl Drop for InWork {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the client is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// A request to begin.
    Idle,
    /// The rest of the head.
    Head,
}

/// The stream of a connection.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    inner: S,
    phase: Phase,
    /// Requests whose head was complete when the limit was last set.
    seen: usize,
    waiting: Waiting,
    read_end: Pin<Box<Sleep>>,
    write_end: Option<Pin<Box<Sleep>>>,
}

impl<S> TimedStream<S> {
    pub(super) fn new(inner: S, phase: Phase) -> Self {
        let read_end = Box::pin(sleep(READ_LIMIT));
        Self { inner, phase, seen: 0, waiting: Waiting::Head, read_end, write_end: None }
    }

    /// A request in work has limits of its own; the count starts again when it is done.
    fn wait_for(&mut self, waiting: Waiting, limit: Duration) {
        self.waiting = waiting;
        self.read_end.as_mut().reset(Instant::now() + limit);
    }

    fn poll_read_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let began = self.phase.began();
        if self.phase.is_working() || began != self.seen {
            self.seen = began;
            self.wait_for(Waiting::Idle, IDLE_LIMIT);
        }
        ready!(self.read_end.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_write_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let end = self.write_end.get_or_insert_with(|| Box::pin(sleep(WRITE_LIMIT)));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(io::ErrorKind::TimedOut.into())
    }

    fn timed<T>(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match done {
            Poll::Ready(done) => {
                self.write_end = None;
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_write_end(cx).map(Err),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_read(cx, buffer) {
            Poll::Ready(done) => {
                if self.waiting == Waiting::Idle && !self.phase.is_working() {
                    self.wait_for(Waiting::Head, READ_LIMIT);
                }
                Poll::Ready(done)
            }
            Poll::Pending => self.poll_read_end(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.timed(cx, done)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_flush(cx);
        self.timed(cx, done)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.timed(cx, done)
    }
}
