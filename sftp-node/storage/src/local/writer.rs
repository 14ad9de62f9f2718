//! A file open for writing: in place, or as a temporary file beside the target that replaces it at
//! the end. The old file stays as it is until then.

mod copy;
mod upload;

use std::any::Any;
use std::io::IoSlice;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use ferryd_domain::{Fault, FaultKind};
use rustix::io::Errno;

use super::copy_range::{Step, copy_range};
use super::dir_entry_at::DirEntryAt;
use super::fault::fault;
use super::reader::{OpenFile, Reader};
use crate::handle::through_memory;
use crate::{CopySource, Metadata, SetAttributes, WriteHandle, WriteHow};
use upload::Upload;

/// Slices handed to one system call (`IOV_MAX` is 1024).
const SLICES: usize = 256;

/// A file open for writing.
#[derive(Debug)]
pub(super) struct Writer {
    upload: Arc<Upload>,
    file: OpenFile,
    readable: bool,
    appends: bool,
}

impl Writer {
    /// Opens as `how` says. Blocks.
    pub(super) fn open(entry: &DirEntryAt, how: WriteHow) -> Result<Self, Fault> {
        let upload = Upload::start(entry, how)?;
        let (readable, appends) = (how.read, how.append);
        Ok(Self { file: upload.file().clone(), upload: Arc::new(upload), readable, appends })
    }

    async fn run(&self, work: fn(&Upload) -> Result<(), Fault>) -> Result<(), Fault> {
        if self.ends_at_once() {
            return work(&self.upload);
        }
        self.pool(work).await
    }

    /// A disk writes out what replaces another file, and frees what is replaced or given up.
    fn ends_at_once(&self) -> bool {
        let io_policy = self.file.root().io_policy();
        io_policy.writes_inline() || (io_policy.asks_inline() && self.upload.is_in_place())
    }

    async fn pool(&self, work: fn(&Upload) -> Result<(), Fault>) -> Result<(), Fault> {
        let upload = Arc::clone(&self.upload);
        self.file.root().io_policy().on_pool(move || work(&upload)).await
    }
}

#[async_trait]
impl WriteHandle for Writer {
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<(), Fault> {
        let io_policy = self.file.root().io_policy();
        if io_policy.writes_inline() {
            return write_all(&self.file, offset, &data);
        }
        let file = self.file.clone();
        io_policy.on_pool(move || write_all(&file, offset, &data)).await
    }

    async fn append(&self, data: Vec<Bytes>) -> Result<usize, Fault> {
        let io_policy = self.file.root().io_policy();
        if io_policy.writes_inline() {
            return append_some(&self.file, &data);
        }
        let file = self.file.clone();
        io_policy.on_pool(move || append_some(&file, &data)).await
    }

    async fn copy_from(
        &self,
        source: CopySource<'_>,
        from: u64,
        offset: u64,
        length: u64,
    ) -> Result<u64, Fault> {
        let io_policy = self.file.root().io_policy();
        // Between devices the kernel copies by hand as well, and each disk has its own bounds.
        let other = local_file(&source).filter(|file| file.root().io_policy().is_beside(io_policy));
        // The kernel copies to offsets only.
        let Some(other) = other.filter(|_| !self.appends) else {
            return through_memory(self, source, from, offset, length).await;
        };
        let (other, file) = (other.clone(), self.file.clone());
        let step = Step { from, to: offset, length };
        io_policy.on_pool(move || copy_range(other.descriptor(), file.descriptor(), step)).await
    }

    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault> {
        if !self.readable {
            return Err(Fault::unsupported("not open for reading"));
        }
        self.file.read_at(offset, length, buffer).await
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.file.stat().await
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.file.set_attributes(set).await?;
        self.upload.remember(&set);
        Ok(())
    }

    async fn sync(&self) -> Result<(), Fault> {
        self.file.sync().await
    }

    async fn finish(&self) -> Result<(), Fault> {
        self.run(Upload::finish).await
    }

    async fn abort(&self) -> Result<(), Fault> {
        self.run(Upload::abort).await
    }

    async fn discard(&self) -> Result<(), Fault> {
        self.run(Upload::discard).await
    }

    fn replaced(&self) -> Option<u64> {
        self.upload.replaced()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Returns the open file behind a source, when it is one of this kind.
fn local_file<'file>(source: &CopySource<'file>) -> Option<&'file OpenFile> {
    let source = source.as_any();
    let read = source.downcast_ref::<Reader>().map(Reader::file);
    let written = || source.downcast_ref::<Writer>().filter(|writer| writer.readable);
    read.or_else(|| written().map(|writer| &writer.file))
}

impl Drop for Writer {
    /// An upload that was never ended is aborted when its last owner goes. That, and closing a
    /// file whose blocks a disk may write out then, is done on the pool.
    fn drop(&mut self) {
        if self.file.root().io_policy().writes_inline() {
            return;
        }
        let changes_nothing = self.upload.has_ended() && self.upload.replaced().is_none();
        if !changes_nothing {
            self.file.root().let_go((Arc::clone(&self.upload), self.file.clone()));
        }
    }
}

/// Writes all slices one after another.
fn write_all(file: &OpenFile, offset: u64, data: &[Bytes]) -> Result<(), Fault> {
    let length = data.iter().fold(0_u64, |sum, slice| sum.saturating_add(slice.len() as u64));
    if i64::try_from(offset.saturating_add(length)).is_err() {
        return Err(fault(Errno::FBIG));
    }
    let mut position = offset;
    for group in data.chunks(SLICES) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|slice| IoSlice::new(slice)).collect();
        position = write_group(file, position, &mut slices)?;
    }
    Ok(())
}

/// Appends until the disk takes no more: `O_APPEND` makes pwritev ignore the offset, and each call
/// is a whole beside those of other processes.
fn append_some(file: &OpenFile, data: &[Bytes]) -> Result<usize, Fault> {
    let mut stored = 0;
    for group in data.chunks(SLICES) {
        let mut slices: Vec<IoSlice<'_>> = group.iter().map(|slice| IoSlice::new(slice)).collect();
        let mut left = slices.as_mut_slice();
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match rustix::io::retry_on_intr(|| rustix::io::pwritev(file, left, 0)) {
                Ok(written) if written > 0 => {
                    stored += written;
                    IoSlice::advance_slices(&mut left, written);
                }
                Ok(_) | Err(_) if stored > 0 => return Ok(stored),
                Ok(_) => return Err(Fault::new(FaultKind::Failed, "disk took no data")),
                Err(errno) => return Err(fault(errno)),
            }
        }
    }
    Ok(stored)
}

fn write_group(
    file: &OpenFile,
    mut position: u64,
    mut slices: &mut [IoSlice<'_>],
) -> Result<u64, Fault> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        let written = rustix::io::retry_on_intr(|| rustix::io::pwritev(file, slices, position))
            .map_err(fault)?;
        if written == 0 {
            return Err(Fault::new(FaultKind::Failed, "disk took no data"));
        }
        position = position.saturating_add(written as u64);
        IoSlice::advance_slices(&mut slices, written);
    }
    Ok(position)
}
