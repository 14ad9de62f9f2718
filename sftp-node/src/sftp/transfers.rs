//! OPEN, CLOSE, READ and WRITE.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use ferryd_domain::Fault;

use super::budget::Exhausted;
use super::dispatch::Dispatcher;
use super::handles::{HandleKey, Open, invalid};
use super::replies::{Pending, ReadBack, Waiting};
use super::requests::WriteRequest;
use super::status;
use crate::files::{Upload, UploadFlags, split_front};

/// Flags of OPEN (draft section 6.3).
mod flag {
    pub(super) const READ: u32 = 0x01;
    pub(super) const WRITE: u32 = 0x02;
    pub(super) const APPEND: u32 = 0x04;
    pub(super) const CREAT: u32 = 0x08;
    pub(super) const TRUNC: u32 = 0x10;
    pub(super) const EXCL: u32 = 0x20;
    pub(super) const WRITES: u32 = WRITE | APPEND | CREAT | TRUNC;
}

/// Tells whether a file that is opened with these flags may change.
pub(super) const fn writes(flags: u32) -> bool {
    flags & flag::WRITES != 0
}

/// WRITEs that follow one another are handed to the storage together, up to this many bytes.
const GATHER: usize = 1 << 20;

/// WRITEs of one handle that follow one another.
#[derive(Debug)]
pub(super) struct Gather {
    handle: HandleKey,
    upload: Arc<Upload>,
    offset: u64,
    length: usize,
    data: Vec<Bytes>,
    requests: Vec<Part>,
}

/// One WRITE of a gather.
#[derive(Debug)]
struct Part {
    id: u32,
    length: usize,
}

impl Gather {
    fn continues_with(&self, request: &WriteRequest, length: usize) -> bool {
        self.handle == request.handle
            && self.offset.checked_add(self.length as u64) == Some(request.offset)
            && self.length + length <= self.most()
    }

    /// Returns how much may go together: at a limited rate no more than one step of it.
    fn most(&self) -> usize {
        self.upload.piece().map_or(GATHER, |piece| piece.min(GATHER))
    }

    fn add(&mut self, id: u32, length: usize, data: Vec<Bytes>) {
        self.length += length;
        self.data.extend(data);
        self.requests.push(Part { id, length });
    }

    /// Stores everything and appends the replies. When that fails each WRITE is tried alone, so
    /// that each gets the answer that is its own.
    pub(super) async fn store(self, out: &mut Vec<u8>) {
        if self.requests.len() == 1 {
            let stored = self.upload.write(self.offset, self.data).await;
            return self.requests.iter().for_each(|part| put_result(out, part.id, &stored));
        }
        let stored = self.upload.try_write(self.offset, self.data.clone()).await;
        if stored.is_ok() {
            return self.requests.iter().for_each(|part| put_result(out, part.id, &stored));
        }
        self.store_singly(out).await;
    }

    async fn store_singly(mut self, out: &mut Vec<u8>) {
        let mut offset = self.offset;
        for part in &self.requests {
            let data = split_front(&mut self.data, part.length);
            let stored = self.upload.write(offset, data).await;
            put_result(out, part.id, &stored);
            offset = offset.saturating_add(part.length as u64);
        }
    }
}

fn put_result(out: &mut Vec<u8>, id: u32, result: &Result<(), Fault>) {
    match result {
        Ok(()) => status::put_ok(out, id),
        Err(fault) => status::put_fault(out, id, fault),
    }
}

impl Dispatcher {
    /// OPEN: any flag that writes makes it an upload.
    pub(super) async fn open(&mut self, id: u32, path: &[u8], flags: u32) {
        let opened = match self.handles.check_room() {
            Err(fault) => Err(fault),
            Ok(()) if writes(flags) => {
                let opened = self.files.open_write(path, upload_flags(flags)).await;
                opened.map(|upload| Open::Upload(Arc::new(upload)))
            }
            Ok(()) if flags & flag::READ != 0 => {
                let opened = self.files.open_read(path).await;
                opened.map(|download| Open::Download(Arc::new(download)))
            }
            Ok(()) => Err(Fault::failed("open for neither reading nor writing")),
        };
        match opened {
            Ok(open) => self.put_handle(id, open),
            Err(fault) => self.fail(id, &fault),
        }
    }

    /// READ: waits for the writer, so that only what can be sent is read.
    pub(super) fn read(
        &mut self,
        id: u32,
        handle: HandleKey,
        offset: u64,
        length: u32,
    ) -> Result<(), Exhausted> {
        match self.handles.get(handle) {
            Ok(Open::Download(download)) => {
                let download = Arc::clone(download);
                self.defer(Pending::Read { id, length, offset, download })
            }
            Ok(Open::Upload(upload)) => {
                let upload = Arc::clone(upload);
                let waiting = Waiting::on(self.handles.waiting(handle));
                let request = ReadBack { id, length, offset, upload, waiting };
                self.defer(Pending::ReadBack(Box::new(request)))
            }
            Ok(Open::Directory(_)) | Err(_) => {
                self.fail(id, &invalid());
                Ok(())
            }
        }
    }

    /// WRITE: collected with its neighbours; behind a READ of the same handle that waits, it
    /// waits as well.
    pub(super) async fn write(
        &mut self,
        request: WriteRequest,
        data: Vec<Bytes>,
    ) -> Result<(), Exhausted> {
        let length = data.iter().map(Bytes::len).sum();
        if let Some(gather) = &mut self.gather
            && gather.continues_with(&request, length)
        {
            gather.add(request.id, length, data);
            return Ok(());
        }
        self.flush_gather().await?;
        let WriteRequest { id, handle, offset } = request;
        let Ok(Open::Upload(upload)) = self.handles.get(handle) else {
            self.fail(id, &invalid());
            return Ok(());
        };
        let upload = Arc::clone(upload);
        let requests = vec![Part { id, length }];
        let gather = Gather { handle, upload, offset, length, data, requests };
        if self.is_waiting(handle) {
            return self.defer_on(handle, length, async move {
                let mut out = Vec::new();
                gather.store(&mut out).await;
                out
            });
        }
        self.gather = Some(gather);
        Ok(())
    }

    /// Hands the WRITEs that have collected to the storage. At a limited rate that takes its
    /// time, and the answers to what is stored already do not wait for it.
    pub(super) async fn flush_gather(&mut self) -> Result<(), Exhausted> {
        let Some(gather) = self.gather.take() else { return Ok(()) };
        if gather.upload.piece().is_some() {
            self.flush_replies()?;
        }
        gather.store(&mut self.out).await;
        Ok(())
    }

    /// CLOSE: behind the requests of the handle that wait.
    pub(super) async fn close(&mut self, id: u32, handle: HandleKey) -> Result<(), Exhausted> {
        let waits = self.is_waiting(handle);
        match self.handles.remove(handle) {
            Ok(Open::Upload(upload)) if waits => self.defer(Pending::Deferred {
                run: Box::pin(async move {
                    let mut out = Vec::new();
                    put_result(&mut out, id, &upload.close().await);
                    out
                }),
                cost: 0,
            }),
            Ok(Open::Upload(upload)) => {
                let closed = upload.close().await;
                self.conclude(id, closed);
                Ok(())
            }
            Ok(Open::Download(download)) => self.defer(Pending::CloseRead { id, download }),
            Ok(Open::Directory(_)) => {
                self.conclude(id, Ok(()));
                Ok(())
            }
            Err(fault) => {
                self.fail(id, &fault);
                Ok(())
            }
        }
    }

    /// Tells whether requests of an upload wait for the writer.
    pub(super) fn is_waiting(&self, handle: HandleKey) -> bool {
        self.handles.waiting(handle).load(Ordering::Relaxed) > 0
    }

    /// Lets a request of an upload wait behind those before it.
    pub(super) fn defer_on(
        &mut self,
        handle: HandleKey,
        cost: usize,
        run: impl Future<Output = Vec<u8>> + Send + 'static,
    ) -> Result<(), Exhausted> {
        let waiting = Waiting::on(self.handles.waiting(handle));
        let run = Box::pin(async move {
            let reply = run.await;
            drop(waiting);
            reply
        });
        self.defer(Pending::Deferred { run, cost: cost + 256 })
    }
}

fn upload_flags(flags: u32) -> UploadFlags {
    UploadFlags {
        read: flags & flag::READ != 0,
        create: flags & flag::CREAT != 0,
        truncate: flags & flag::TRUNC != 0,
        exclusive: flags & flag::EXCL != 0,
        append: flags & flag::APPEND != 0,
    }
}
