//! The writer of a channel: does the READs and READDIRs that wait, sends all replies in order.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt};
use russh::ChannelWriteHalf;
use russh::server::Msg;

use super::replies::{Pending, Queue, ReadBack};
use super::wire::{PutFields, patch_length};
use super::{MAX_DATA, listing, packet, status};
use crate::files::Download;
use crate::files::throttle::Bucket;

/// Replies are sent together up to about this many bytes.
const BATCH: usize = 64 * 1024;
/// READs of slow storage that run at once on one channel.
const READ_AHEAD: usize = 8;
/// Length, type, id and length of the data, in front of the data of a reply.
const DATA_HEAD: usize = 4 + 1 + 4 + 4;

/// The channel cannot send any more.
#[derive(Debug)]
pub(crate) struct Gone;

/// Where replies go.
pub(crate) trait Outgoing: Send + Sync + 'static {
    /// Sends bytes; waits while the client has no room for them.
    fn send(&self, bytes: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
}

impl Outgoing for ChannelWriteHalf<Msg> {
    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        self.data_bytes(bytes).await.map_err(|_| Gone)
    }
}

/// Sends replies until the reader has ended and nothing is left, or nothing can be sent.
pub(super) async fn run<O: Outgoing>(channel: Arc<O>, queue: Arc<Queue>) {
    let mut writer = Writer { channel, queue, out: Vec::new() };
    while let Some(pending) = writer.queue.next().await {
        if writer.step(pending).await.is_err() {
            return;
        }
    }
}

struct Writer<O> {
    channel: Arc<O>,
    queue: Arc<Queue>,
    out: Vec<u8>,
}

impl<O: Outgoing> Writer<O> {
    async fn step(&mut self, pending: Pending) -> Result<(), Gone> {
        match pending {
            Pending::Bytes(bytes) if self.out.is_empty() => self.out = bytes,
            Pending::Bytes(bytes) => self.out.extend_from_slice(&bytes),
            Pending::Read { id, length, offset, download } => {
                self.read(id, length, offset, download).await?;
            }
            Pending::ReadBack(request) => self.read_back(*request).await?,
            Pending::List { id, directory } => {
                self.answer(async move { listing::batch(id, &directory).await }).await?;
            }
            Pending::CloseRead { id, download } => {
                download.close();
                status::put_ok(&mut self.out, id);
            }
            Pending::Deferred { run, .. } => self.answer(run).await?,
        }
        if self.out.len() >= BATCH || self.queue.is_empty() {
            self.flush().await?;
        }
        Ok(())
    }

    async fn read(
        &mut self,
        id: u32,
        length: u32,
        offset: u64,
        download: Arc<Download>,
    ) -> Result<(), Gone> {
        if !download.is_immediate() {
            return Box::pin(self.read_ahead(id, length, offset, download)).await;
        }
        let length = clamp(length);
        if self.out.len() + length > BATCH {
            self.flush().await?;
        }
        let out = std::mem::take(&mut self.out);
        self.out = read_reply(out, id, length, offset, &download).await;
        match download.pace() {
            Some(bucket) => self.flush_paced(bucket).await,
            None => Ok(()),
        }
    }

    async fn read_back(&mut self, request: ReadBack) -> Result<(), Gone> {
        let ReadBack { id, length, offset, upload, waiting } = request;
        let length = clamp(length);
        let file = Arc::clone(&upload);
        let reply = async move {
            let mut out = Vec::new();
            let start = put_data_head(&mut out, length);
            let kept = out.len();
            let read = upload.read(offset, length, out).await;
            drop(waiting);
            finish_reply(read, start, kept, id, length)
        };
        let Some(bucket) = file.pace() else { return self.answer(reply).await };
        self.flush().await?;
        self.out = reply.await;
        self.flush_paced(bucket).await
    }

    /// Adds a reply that may take long: when it is not there at once, the replies before it are
    /// sent first.
    async fn answer(&mut self, reply: impl Future<Output = Vec<u8>>) -> Result<(), Gone> {
        let mut reply = pin!(reply);
        let reply = match reply.as_mut().now_or_never() {
            Some(reply) => reply,
            None => {
                self.flush().await?;
                reply.await
            }
        };
        if self.out.is_empty() {
            self.out = reply;
        } else {
            self.out.extend_from_slice(&reply);
        }
        Ok(())
    }

    /// Runs several READs at once; their replies leave in order.
    async fn read_ahead(
        &mut self,
        id: u32,
        length: u32,
        offset: u64,
        download: Arc<Download>,
    ) -> Result<(), Gone> {
        self.flush().await?;
        let mut running: FuturesOrdered<BoxFuture<'static, (Vec<u8>, Arc<Download>)>> =
            FuturesOrdered::new();
        running.push_back(Box::pin(slow_read(id, length, offset, download)));
        loop {
            while running.len() < READ_AHEAD
                && let Some(pending) = self.queue.try_next(is_slow_read)
            {
                if let Pending::Read { id, length, offset, download } = pending {
                    running.push_back(Box::pin(slow_read(id, length, offset, download)));
                }
            }
            let Some((reply, download)) = running.next().await else { return Ok(()) };
            self.out = reply;
            match download.pace() {
                Some(bucket) => self.flush_paced(bucket).await?,
                None => self.flush().await?,
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        if self.out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.out);
        self.send(out.into()).await
    }

    /// Sends in pieces that keep to the account's rate.
    async fn flush_paced(&mut self, bucket: &Bucket) -> Result<(), Gone> {
        let mut rest = Bytes::from(std::mem::take(&mut self.out));
        while !rest.is_empty() {
            let piece = rest.split_to(bucket.piece().min(rest.len()));
            tokio::select! {
                () = bucket.take(piece.len()) => {}
                () = self.queue.stopped() => return Err(Gone),
            }
            self.send(piece).await?;
        }
        Ok(())
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Gone> {
        tokio::select! {
            biased;
            sent = self.channel.send(bytes) => sent,
            () = self.queue.stopped() => Err(Gone),
        }
    }
}

fn clamp(length: u32) -> usize {
    (length as usize).min(MAX_DATA)
}

fn is_slow_read(pending: &Pending) -> bool {
    matches!(pending, Pending::Read { download, .. } if !download.is_immediate())
}

async fn slow_read(
    id: u32,
    length: u32,
    offset: u64,
    download: Arc<Download>,
) -> (Vec<u8>, Arc<Download>) {
    let reply = read_reply(Vec::new(), id, clamp(length), offset, &download).await;
    (reply, download)
}

/// Appends the reply to a READ: the data is read straight behind its head.
async fn read_reply(
    mut out: Vec<u8>,
    id: u32,
    length: usize,
    offset: u64,
    download: &Download,
) -> Vec<u8> {
    let start = put_data_head(&mut out, length);
    let kept = out.len();
    let read = download.read(offset, length, out).await;
    finish_reply(read, start, kept, id, length)
}

/// Appends an empty head and returns where it starts.
pub(crate) fn put_data_head(out: &mut Vec<u8>, length: usize) -> usize {
    out.reserve(DATA_HEAD + length);
    let start = out.len();
    out.extend_from_slice(&[0; DATA_HEAD]);
    start
}

/// Fills in the head, or puts a status in its place.
pub(crate) fn finish_reply(
    read: Result<Vec<u8>, ferryd_domain::Fault>,
    start: usize,
    kept: usize,
    id: u32,
    length: usize,
) -> Vec<u8> {
    match read {
        Ok(mut out) if out.len() == kept && length > 0 => {
            out.truncate(start);
            status::put_eof(&mut out, id);
            out
        }
        Ok(mut out) => {
            let data = u32::try_from(out.len() - kept).unwrap_or(u32::MAX);
            fill_head(&mut out, start, id, data);
            out
        }
        Err(fault) => {
            let mut out = Vec::new();
            status::put_fault(&mut out, id, &fault);
            out
        }
    }
}

fn fill_head(out: &mut [u8], start: usize, id: u32, data: u32) {
    let mut head = Vec::with_capacity(DATA_HEAD);
    head.put_packet(packet::DATA, id, |body| body.put_u32(data));
    if let Some(resolved) = out.get_mut(start..start + DATA_HEAD) {
        resolved.copy_from_slice(&head);
    }
    patch_length(out, start);
}
