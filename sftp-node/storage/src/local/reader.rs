//! A file open for reading. Bytes are read into the spare room of the caller's buffer, so nothing
//! is written twice; on a disk the thread is only used for what the page cache has.

use std::any::Any;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use ferryd_domain::Fault;
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, ReadWriteFlags, retry_on_intr};

use super::attributes;
use super::fault::fault;
use super::io_policy::Reads;
use super::root::Root;
use super::stat::metadata;
use crate::{Metadata, ReadHandle, SetAttributes};

/// Room beyond the length that is not worth a second buffer.
const SLACK: usize = 64;
/// Length that is zeroed sooner than its ends are asked for.
const SMALL: usize = 64 * 1024;

/// An open file and the way to its disk.
#[derive(Clone, Debug)]
pub(super) struct OpenFile {
    file: Arc<OwnedFd>,
    root: Arc<Root>,
    /// Cleared when the file system cannot tell what is cached.
    knows_cache: Arc<AtomicBool>,
}

impl AsFd for OpenFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl OpenFile {
    pub(super) fn new(file: OwnedFd, root: Arc<Root>) -> Self {
        Self { file: Arc::new(file), root, knows_cache: Arc::new(AtomicBool::new(true)) }
    }

    pub(super) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.file
    }

    pub(super) async fn read_at(
        &self,
        offset: u64,
        length: usize,
        mut buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Fault> {
        let start = buffer.len();
        if self.read_on_thread(offset, length, &mut buffer)? {
            return Ok(buffer);
        }
        let done = buffer.len() - start;
        let file = Arc::clone(&self.file);
        let rest = move || {
            let offset = offset.saturating_add(done as u64);
            append(&file, offset, length.saturating_sub(done), &mut buffer).map(|()| buffer)
        };
        self.root.io_policy().on_pool(rest).await
    }

    /// Reads as far as that does not wait for a disk; tells whether that was all.
    fn read_on_thread(
        &self,
        offset: u64,
        length: usize,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        let last = offset.saturating_add(length as u64).saturating_sub(1);
        match self.root.io_policy().reads() {
            Reads::Inline => append(&self.file, offset, length, buffer).map(|()| true),
            Reads::WhenCached if !self.knows_cache.load(Ordering::Relaxed) => Ok(false),
            Reads::WhenCached if length <= SMALL => self.take_cached(offset, length, buffer),
            Reads::WhenCached if self.is_cached(offset) && self.is_cached(last) => {
                append(&self.file, offset, length, buffer).map(|()| true)
            }
            Reads::WhenCached | Reads::Pool => Ok(false),
        }
    }

    /// Reads what the page cache has into zeroed room; tells whether that was all.
    fn take_cached(&self, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<bool, Fault> {
        let start = buffer.len();
        let end = start.saturating_add(length);
        while buffer.len() < end {
            let filled = buffer.len();
            let position = offset.saturating_add((filled - start) as u64);
            if is_beyond_files(position, length) {
                break;
            }
            buffer.resize(end, 0);
            let read = self.read_cached(buffer.get_mut(filled..).unwrap_or_default(), position);
            buffer.truncate(filled + read.unwrap_or(0));
            match read {
                Ok(read) if read > 0 => {}
                // Linux 5.9 and 5.10 say so before the end too: asked again in the plain way.
                Ok(_) => return append(&self.file, position, end - filled, buffer).map(|()| true),
                Err(Errno::INTR) => {}
                Err(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Asks for one byte without waiting. The first and the last byte of a long range stand for
    /// all of it: reading ahead fills in order, and old pages go in order. A full read this way
    /// would need zeroed room (RWF_NOWAIT is only had with initialized slices), which costs more
    /// than two short calls from about 64 KiB on.
    fn is_cached(&self, offset: u64) -> bool {
        self.read_cached(&mut [0], offset).is_ok()
    }

    fn read_cached(&self, room: &mut [u8], offset: u64) -> rustix::io::Result<usize> {
        let mut slices = [IoSliceMut::new(room)];
        let read = rustix::io::preadv2(&self.file, &mut slices, offset, ReadWriteFlags::NOWAIT);
        if let Err(Errno::OPNOTSUPP | Errno::NOSYS) = read {
            self.knows_cache.store(false, Ordering::Relaxed);
        }
        read
    }

    pub(super) async fn stat(&self) -> Result<Metadata, Fault> {
        let stat = |file: &OwnedFd| rustix::fs::fstat(file).map(|stat| metadata(&stat));
        if self.root.io_policy().asks_inline() {
            return stat(&self.file).map_err(fault);
        }
        let file = Arc::clone(&self.file);
        self.root.io_policy().on_pool(move || stat(&file).map_err(fault)).await
    }

    pub(super) async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        if self.root.io_policy().asks_inline() && set.size.is_none() {
            return attributes::set_on_file(&self.file, &set);
        }
        let file = Arc::clone(&self.file);
        self.root.io_policy().on_pool(move || attributes::set_on_file(&file, &set)).await
    }

    pub(super) async fn sync(&self) -> Result<(), Fault> {
        let file = Arc::clone(&self.file);
        let sync = move || retry_on_intr(|| rustix::fs::fdatasync(&file)).map_err(fault);
        self.root.io_policy().on_pool(sync).await
    }
}

impl Drop for OpenFile {
    /// Closing asks a FUSE or network file system: not on the thread of a connection.
    fn drop(&mut self) {
        if !self.root.io_policy().asks_inline() && Arc::strong_count(&self.file) == 1 {
            self.root.let_go(Arc::clone(&self.file));
        }
    }
}

/// Appends up to `length` bytes, fewer only at the end of the file.
fn append(file: &OwnedFd, offset: u64, length: usize, buffer: &mut Vec<u8>) -> Result<(), Fault> {
    let end = buffer.len().saturating_add(length);
    buffer
        .try_reserve_exact(length)
        .map_err(|error| Fault::failed("out of memory").because(error))?;
    if buffer.capacity() > end.saturating_add(SLACK) {
        return append_zeroed(file, offset, length, buffer);
    }
    let start = buffer.len();
    while buffer.len() < end {
        let position = offset.saturating_add((buffer.len() - start) as u64);
        if is_beyond_files(position, length) {
            break;
        }
        let read = retry_on_intr(|| rustix::io::pread(file, spare_capacity(buffer), position));
        if read.map_err(fault)? == 0 {
            break;
        }
    }
    buffer.truncate(end);
    Ok(())
}

/// No file reaches there, and the operating system would call it an invalid argument.
fn is_beyond_files(position: u64, length: usize) -> bool {
    let end = position.saturating_add(length.saturating_add(SLACK) as u64);
    i64::try_from(end).is_err()
}

/// The same for a buffer with much more room than is asked for.
fn append_zeroed(
    file: &OwnedFd,
    offset: u64,
    length: usize,
    buffer: &mut Vec<u8>,
) -> Result<(), Fault> {
    let start = buffer.len();
    buffer.resize(start.saturating_add(length), 0);
    let mut done = 0;
    while let Some(room) = buffer.get_mut(start + done..).filter(|room| !room.is_empty()) {
        let position = offset.saturating_add(done as u64);
        if is_beyond_files(position, length) {
            break;
        }
        match retry_on_intr(|| rustix::io::pread(file, &mut *room, position)) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(errno) => {
                buffer.truncate(start);
                return Err(fault(errno));
            }
        }
    }
    buffer.truncate(start + done);
    Ok(())
}

/// A file open for reading only.
#[derive(Debug)]
pub(super) struct Reader {
    file: OpenFile,
}

impl Reader {
    pub(super) fn new(file: OpenFile) -> Self {
        Self { file }
    }

    pub(super) fn file(&self) -> &OpenFile {
        &self.file
    }
}

#[async_trait]
impl ReadHandle for Reader {
    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault> {
        self.file.read_at(offset, length, buffer).await
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.file.stat().await
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.file.set_attributes(set).await
    }

    async fn sync(&self) -> Result<(), Fault> {
        self.file.sync().await
    }

    fn is_immediate(&self) -> bool {
        self.file.root.io_policy().reads() != Reads::Pool
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
