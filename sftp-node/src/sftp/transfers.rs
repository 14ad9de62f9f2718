//! OPEN, CLOSE, READ and WRITE.

use std::sync::Arc;

use bytes::Bytes;
use ferryd_domain::Fault;

use super::channel::SftpChannel;
use super::gather::Gather;
use super::handles::{HandleKey, Open, invalid};
use super::replies::{Pending, ReadBack, Waiting};
use super::requests::WriteRequest;
use super::status;
use crate::budget::Exhausted;
use crate::files::UploadFlags;

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

impl SftpChannel {
    /// OPEN: any flag that writes makes it an upload.
    pub(super) async fn open(
        &mut self,
        id: u32,
        path: &[u8],
        flags: u32,
        permissions: Option<u32>,
    ) {
        let opened = match self.handles.check_room() {
            Err(fault) => Err(fault),
            Ok(()) if writes(flags) => {
                let opened = self.files.open_write(path, upload_flags(flags, permissions)).await;
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
        let gather = Gather::start(handle, upload, (id, offset), length, data);
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

    /// CLOSE: behind the requests of the handle that wait.
    pub(super) async fn close(&mut self, id: u32, handle: HandleKey) -> Result<(), Exhausted> {
        let waits = self.is_waiting(handle);
        match self.handles.remove(handle) {
            Ok(Open::Upload(upload)) if waits => self.defer(Pending::Deferred {
                run: Box::pin(async move {
                    let mut out = Vec::new();
                    status::put_result(&mut out, id, &upload.close().await);
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
}

fn upload_flags(flags: u32, permissions: Option<u32>) -> UploadFlags {
    UploadFlags {
        read: flags & flag::READ != 0,
        create: flags & flag::CREAT != 0,
        truncate: flags & flag::TRUNC != 0,
        exclusive: flags & flag::EXCL != 0,
        append: flags & flag::APPEND != 0,
        permissions,
    }
}
