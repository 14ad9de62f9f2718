//! Extensions that work on what files hold: copy-data and check-file
//! (draft-ietf-secsh-filexfer-extensions-00 sections 6 and 3).

use std::sync::Arc;

use ferryd_domain::Fault;

use super::channel::SftpChannel;
use super::handles::{HandleKey, Open, invalid};
use super::replies::Waiting;
use super::requests::handle;
use super::wire::{Fields, PutFields};
use super::{packet, status};
use crate::budget::Exhausted;
use crate::digest::Algorithm;
use crate::files::{Download, Range, Source, Upload, copy};

/// Smallest block of check-file, but for 0.
const MIN_BLOCK: u32 = 256;
/// Digests of one reply take at most this many bytes.
const MAX_DIGESTS: u64 = 64 * 1024;
/// Longest digest.
const DIGEST: u64 = 64;

/// A copy that can be done.
struct CopyRequest {
    from: Source,
    range: Range,
    target: HandleKey,
    to: Arc<Upload>,
    offset: u64,
    /// Lets what changes the source wait.
    reading: Waiting,
}

impl SftpChannel {
    /// copy-data: a range of one open file into another. It may take long, so it waits for the
    /// writer and runs there: the reader goes on and hears of a client that goes away.
    pub(super) fn copy_data(&mut self, id: u32, body: &mut Fields<'_>) -> Result<(), Exhausted> {
        match self.copy_request(body) {
            Ok(request) => self.start_copy(id, request),
            Err(fault) => {
                self.fail(id, &fault);
                Ok(())
            }
        }
    }

    fn copy_request(&self, body: &mut Fields<'_>) -> Result<CopyRequest, Fault> {
        let source = handle(body)?;
        let range = Range::to_end_if_zero(body.u64()?, body.u64()?);
        let target = handle(body)?;
        let offset = body.u64()?;
        if source == target {
            return Err(Fault::failed("source and target are one handle"));
        }
        let Open::Upload(to) = self.handles.get(target)? else { return Err(invalid()) };
        let from = match self.handles.get(source)? {
            Open::Download(file) => Source::Download(Arc::clone(file)),
            Open::Upload(file) => Source::Upload(Arc::clone(file)),
            Open::Directory(_) => return Err(invalid()),
        };
        let reading = Waiting::on(self.handles.waiting(source));
        Ok(CopyRequest { from, range, target, to: Arc::clone(to), offset, reading })
    }

    fn start_copy(&mut self, id: u32, request: CopyRequest) -> Result<(), Exhausted> {
        let queue = Arc::downgrade(&self.queue);
        let CopyRequest { from, range, target, to, offset, reading } = request;
        self.defer_on(target, 0, async move {
            let mut out = Vec::new();
            let Some(queue) = queue.upgrade() else { return out };
            let copied = copy(&from, range, &to, offset, queue.stopped()).await;
            status::put_result(&mut out, id, &copied);
            drop(reading);
            out
        })
    }

    /// check-file-name.
    pub(super) async fn check_file_name(
        &mut self,
        id: u32,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let path = body.string()?;
        let file = self.files.open_unlisted(path).await?;
        self.check_file(id, &file, body).await
    }

    /// check-file-handle, or check-file.
    pub(super) async fn check_file_handle(
        &mut self,
        id: u32,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let Open::Download(file) = self.handles.get(handle(body)?)? else { return Err(invalid()) };
        let file = Arc::clone(file);
        self.check_file(id, &file, body).await
    }

    async fn check_file(
        &mut self,
        id: u32,
        file: &Download,
        body: &mut Fields<'_>,
    ) -> Result<(), Fault> {
        let names = body.string()?;
        let range = Range::to_end_if_zero(body.u64()?, body.u64()?);
        let block = block_size(body.u32()?)?;
        let algorithm = names
            .split(|byte| *byte == b',')
            .find_map(Algorithm::from_name)
            .ok_or_else(|| Fault::unsupported("no known digest algorithm"))?;
        if let Some(block) = block {
            let there = file.stat().await?.size().saturating_sub(range.offset);
            let size = range.length.map_or(there, |length| length.min(there));
            if size / block > MAX_DIGESTS / DIGEST {
                return Err(Fault::invalid("too many blocks"));
            }
        }
        let digests = self.files.digests(file, algorithm, range, block).await?;
        let with_extension_name = self.is_paramiko;
        self.out.put_packet(packet::EXTENDED_REPLY, id, |reply| {
            // paramiko expects the name of the extension first, WinSCP and ProFTPD do not.
            if with_extension_name {
                reply.put_string(b"check-file");
            }
            reply.put_string(algorithm.name().as_bytes());
            reply.extend_from_slice(&digests);
        });
        Ok(())
    }
}

fn block_size(block: u32) -> Result<Option<u64>, Fault> {
    match block {
        0 => Ok(None),
        1..MIN_BLOCK => Err(Fault::invalid("block too small")),
        _ => Ok(Some(u64::from(block))),
    }
}
