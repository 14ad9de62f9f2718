//! The socket of a connection after the first look, as russh reads and writes it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

use crate::connection::Connection;
use crate::key_exchange::offers::Offer;

/// How far is read ahead: many small packets, and little to copy of a large one.
const AHEAD: usize = 4096;
/// A try is handed on as soon as it is there, but may come in pieces.
const TRY_TIME: Duration = Duration::from_secs(2);

thread_local! {
    /// Where it is read to, for all connections of a thread.
    static READ_AHEAD: RefCell<[u8; AHEAD]> = const { RefCell::new([0; AHEAD]) };
}

/// The socket after the look. Replays what was read; swallows the identification that russh
/// writes itself; acknowledges at once until the login, for the clients whose next packet waits
/// for it (Nagle's algorithm against delayed acknowledgements, 40 ms). Reads ahead: russh asks
/// for the length of a packet and for its rest by themselves, and small packets come several at
/// a time.
/// Ends when a refused client sends what russh ignores (see [`Tries`](crate::connection::Tries)).
pub(crate) struct LookedStream {
    socket: TcpStream,
    /// What was read and not yet asked for; no memory while it is empty.
    replay: Bytes,
    /// What russh is going to write and was written already.
    swallow: Bytes,
    offer: Offer,
    /// The connection, until its login.
    login: Option<Arc<Connection>>,
    /// What has come after a refusal.
    after_refusal: AfterRefusal,
}

/// What a refused client has sent.
#[derive(Default)]
enum AfterRefusal {
    /// Nothing, or the try that had to come.
    #[default]
    Fine,
    /// Bytes after this refusal: when they are a try, it is known before more is read.
    Bytes(u32),
    /// Too little for a try so far, or no try; the rest has until then.
    Waits(u32, Pin<Box<Sleep>>),
}

impl LookedStream {
    /// Goes on with a socket from which `replay` was read and to which `swallow` was written.
    pub fn new(
        socket: TcpStream,
        replay: Bytes,
        swallow: Bytes,
        offer: Offer,
        login: Option<Arc<Connection>>,
    ) -> Self {
        let stream =
            Self { socket, replay, swallow, offer, login, after_refusal: AfterRefusal::Fine };
        stream.acknowledge();
        stream
    }

    fn acknowledge(&self) {
        if self.login.is_some()
            && self.offer == Offer::Full
            && let Err(error) = sockopt::set_tcp_quickack(&self.socket, true)
        {
            tracing::debug!(sender = "sftpd", %error, "quick acknowledgement not possible");
        }
    }

    fn take_replay(&mut self, buffer: &mut ReadBuf<'_>) {
        let length = buffer.remaining().min(self.replay.len());
        buffer.put_slice(&self.replay.split_to(length));
        if self.replay.is_empty() {
            self.replay = Bytes::new();
        }
    }

    /// Reads into the buffer, or into a larger one when it is small.
    fn read_ahead(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() >= AHEAD {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        READ_AHEAD.with_borrow_mut(|ahead| {
            let mut ahead = ReadBuf::new(ahead);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut ahead))?;
            let read = ahead.filled();
            let (now, later) = read.split_at(read.len().min(buffer.remaining()));
            buffer.put_slice(now);
            if !later.is_empty() {
                self.replay = Bytes::copy_from_slice(later);
            }
            Poll::Ready(Ok(()))
        })
    }

    fn still_logging_in(&mut self) {
        match &self.login {
            Some(connection) if connection.session.get().is_some() => self.login = None,
            Some(connection) => {
                let number = connection.tries.expected();
                self.after_refusal = number.map_or(AfterRefusal::Fine, AfterRefusal::Bytes);
            }
            None => {}
        }
        self.acknowledge();
    }

    /// Fails when the client has sent something else than a try where only a try makes sense.
    fn poll_lost_try(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if let AfterRefusal::Bytes(number) = self.after_refusal {
            self.after_refusal = match self.awaits_try(number) {
                true => AfterRefusal::Waits(number, Box::pin(sleep(TRY_TIME))),
                false => AfterRefusal::Fine,
            };
        }
        let AfterRefusal::Waits(number, timer) = &mut self.after_refusal else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx));
        let number = *number;
        self.after_refusal = AfterRefusal::Fine;
        match &self.login {
            Some(connection) if self.awaits_try(number) => {
                warn_of_lost_try(connection);
                Poll::Ready(io::Error::other("something else than a try after a refusal"))
            }
            Some(_) | None => Poll::Pending,
        }
    }

    /// Tells whether no try has come since this refusal.
    fn awaits_try(&self, number: u32) -> bool {
        self.login.as_ref().is_some_and(|connection| connection.tries.expected() == Some(number))
    }
}

/// The administrator has to find this one: all that the client says is that authentication failed.
fn warn_of_lost_try(connection: &Connection) {
    tracing::warn!(
        sender = "sftpd",
        connection_id = %connection.id,
        client_ip = %connection.peer.ip(),
        hint = "Paramiko can try more than once with its ServiceRequestingTransport only",
        "login ended: a refused client went on with something else than another try"
    );
}

impl AsyncRead for LookedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.replay.is_empty() {
            self.take_replay(buffer);
            return Poll::Ready(Ok(()));
        }
        let read = self.read_ahead(cx, buffer);
        if self.login.is_some() && read.is_ready() {
            self.still_logging_in();
        }
        if read.is_ready() {
            return read;
        }
        self.poll_lost_try(cx).map(Err)
    }
}

impl AsyncWrite for LookedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.swallow.is_empty() {
            return Pin::new(&mut self.socket).poll_write(cx, bytes);
        }
        let length = bytes.len().min(self.swallow.len());
        if bytes.get(..length) != self.swallow.get(..length) {
            return Poll::Ready(Err(io::Error::other("another identification than the one sent")));
        }
        self.swallow.advance(length);
        if self.swallow.is_empty() {
            self.swallow = Bytes::new();
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn every_byte_comes_once_and_in_order_however_it_is_asked_for() {
        let (near, mut far) = pair().await;
        let sent: Vec<u8> = (0..60_000_u32).map(|number| (number % 251) as u8).collect();
        let (first, rest) = sent.split_at(100);
        let mut stream =
            LookedStream::new(near, first.to_vec().into(), Bytes::new(), Offer::Full, None);
        far.write_all(rest).await.unwrap();
        let mut read = Vec::new();
        for length in [1, 4, 200, 16, 3_000, 4, 10_000, 4, 4_095, 4_096, 1].iter().cycle() {
            let mut piece = vec![0; *length.min(&(sent.len() - read.len()))];
            stream.read_exact(&mut piece).await.unwrap();
            read.extend(piece);
            if read.len() == sent.len() {
                break;
            }
        }
        assert!(read == sent);
        assert!(stream.replay.is_empty(), "an idle connection keeps nothing");
    }

    #[tokio::test]
    async fn the_identification_goes_out_once() {
        let (near, mut far) = pair().await;
        let line = Bytes::from_static(b"SSH-2.0-x\r\n");
        let mut stream = LookedStream::new(near, Bytes::new(), line.clone(), Offer::Full, None);
        stream.write_all(b"SSH-2.0-x\r\nmore").await.unwrap();
        let mut said = [0; 4];
        far.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"more");
        let (near, _far) = pair().await;
        let mut stream = LookedStream::new(near, Bytes::new(), line, Offer::Full, None);
        assert!(stream.write_all(b"SSH-2.0-y\r\n").await.is_err());
    }
}
