//! The reader of a channel. It parses, does what needs no sending, and hands the rest to the
//! writer without waiting: the task that reads a channel must never wait for anything that
//! depends on sending, or the window adjustment that would free the sender is never read.
//! It pauses only while the storage has not taken what it was given.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use russh::server::{Handle, Msg};
use russh::{ChannelMsg, ChannelWriteHalf, Disconnect};
use tokio_util::task::AbortOnDropHandle;

use super::channel::SftpChannel;
use super::frames::{BrokenStream, Frames};
use super::replies::{Pending, Queue};
use super::writer::{self, Outgoing};
use crate::budget::Budget;
use crate::context::NodeContext;
use crate::intake::ChannelInput;
use crate::session::Session;

/// How long a client that is disconnected may take to hear the reason.
const FAREWELL: Duration = Duration::from_millis(500);

/// How the reading of a channel has ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The client sends nothing any more.
    Eof,
    /// The channel or the connection is gone.
    Closed,
    /// The stream is broken; this channel ends.
    Broken(String),
    /// The client has too much waiting; the connection ends.
    Greedy,
}

/// Where requests come from.
pub(crate) trait Incoming: Send {
    /// Returns what comes next, `None` when the channel is gone.
    fn next(&mut self) -> impl Future<Output = Option<ChannelMsg>> + Send;
}

impl Incoming for ChannelInput {
    async fn next(&mut self) -> Option<ChannelMsg> {
        self.next().await
    }
}

/// Serves SFTP on a channel until it ends.
pub(crate) async fn serve(
    (mut incoming, outgoing): (ChannelInput, ChannelWriteHalf<Msg>),
    ssh: Handle,
    context: Arc<NodeContext>,
    session: Arc<Session>,
) {
    let outgoing = Arc::new(outgoing);
    let end = run(&mut incoming, &outgoing, &context.reply_budget, &session).await;
    say_goodbye(&end, &outgoing, &ssh, &session).await;
}

/// Serves requests until there are no more and what they opened has ended.
pub(crate) async fn run<O: Outgoing>(
    incoming: &mut impl Incoming,
    outgoing: &Arc<O>,
    budget: &Arc<Budget>,
    session: &Session,
) -> End {
    let queue = Arc::new(Queue::new(budget));
    // A writer alone would wait for ever: a defect here must not leave it behind.
    let writer = tokio::spawn(writer::run(Arc::clone(outgoing), Arc::clone(&queue)));
    let writer = AbortOnDropHandle::new(writer);
    let mut sftp = SftpChannel::new(session, Arc::clone(&queue));
    let mut end = read_all(incoming, &mut sftp, session).await;
    if matches!(end, End::Eof) && sftp.wait_for_late().await.is_err() {
        end = End::Greedy;
    }
    match &end {
        End::Eof => queue.drain(),
        End::Closed | End::Broken(_) | End::Greedy => queue.stop(),
    }
    // A client that has sent its end may still close the channel or go away.
    let closed = async { while incoming.next().await.is_some() {} };
    tokio::pin!(closed);
    let mut writer = writer;
    tokio::select! {
        ended = &mut writer => log_panic(ended),
        () = &mut closed => {
            queue.stop();
            log_panic((&mut writer).await);
        }
    }
    finish_deferred(&queue).await;
    sftp.abort_open().await;
    end
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(sender = "sftpd", %error, "a writer ended unexpectedly");
    }
}

/// Requests that were accepted but not answered yet still count, a CLOSE above all.
async fn finish_deferred(queue: &Queue) {
    while let Some(pending) = queue.try_next(|_| true) {
        if let Pending::Deferred { run, .. } = pending {
            run.await;
        }
    }
}

async fn read_all(incoming: &mut impl Incoming, sftp: &mut SftpChannel, session: &Session) -> End {
    let mut frames = Frames::default();
    loop {
        let Some(message) = incoming.next().await else { return End::Closed };
        session.touch();
        let mut end = take(message, &mut frames);
        while end.is_none() {
            if let Err(broken) = serve_frames(&mut frames, sftp).await {
                return broken;
            }
            match incoming.next().now_or_never() {
                Some(Some(message)) => end = take(message, &mut frames),
                Some(None) => end = Some(End::Closed),
                None => break,
            }
        }
        if sftp.flush().await.is_err() {
            return End::Greedy;
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Keeps data; tells when the channel has ended.
fn take(message: ChannelMsg, frames: &mut Frames) -> Option<End> {
    match message {
        ChannelMsg::Data { data } => {
            frames.push(data);
            None
        }
        ChannelMsg::Eof => Some(End::Eof),
        ChannelMsg::Close => Some(End::Closed),
        _ => None,
    }
}

async fn serve_frames(frames: &mut Frames, sftp: &mut SftpChannel) -> Result<(), End> {
    loop {
        match frames.next() {
            Ok(Some(frame)) => sftp.frame(frame).await.map_err(|_| End::Greedy)?,
            Ok(None) => return Ok(()),
            Err(BrokenStream::Empty) => return Err(End::Broken("a packet of no length".into())),
            Err(BrokenStream::TooLong(length)) => {
                return Err(End::Broken(format!("a packet of {length} bytes")));
            }
        }
    }
}

/// Ends the channel, or the connection of a client that let too much wait.
async fn say_goodbye(end: &End, outgoing: &ChannelWriteHalf<Msg>, ssh: &Handle, session: &Session) {
    let status = match end {
        End::Eof => 0,
        End::Closed => return,
        End::Broken(reason) => {
            tracing::warn!(sender = "sftpd", connection_id = %session.id, reason, "sftp channel closed");
            1
        }
        End::Greedy => {
            tracing::warn!(sender = "sftpd", connection_id = %session.id, "disconnected: too much is waiting");
            let reason = "too many requests are waiting".to_owned();
            let farewell = ssh.disconnect(Disconnect::ByApplication, reason, String::new());
            let sent = tokio::time::timeout(FAREWELL, farewell).await;
            tracing::debug!(sender = "sftpd", connection_id = %session.id, said = sent.is_ok(), "farewell");
            session.kill("too many requests are waiting");
            return;
        }
    };
    let sent = async {
        outgoing.exit_status(status).await?;
        outgoing.eof().await?;
        outgoing.close().await
    };
    if let Err(error) = sent.await {
        tracing::debug!(sender = "sftpd", connection_id = %session.id, %error, "channel was gone");
    }
}
