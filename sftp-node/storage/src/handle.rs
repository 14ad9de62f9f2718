//! Open files and directories.

mod copy_source;

use std::any::Any;
use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ferryd_domain::Fault;

use crate::{Metadata, SetAttributes};
pub use copy_source::CopySource;
pub(crate) use copy_source::through_memory;

/// A file open for reading.
#[async_trait]
pub trait ReadHandle: fmt::Debug + Send + Sync + 'static {
    /// Appends up to `length` bytes from `offset` to `buffer` and returns it. Nothing is appended
    /// at the end of the file; before it, fewer than asked for only when the file ends there.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault>;

    /// Returns the attributes of the open file.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn stat(&self) -> Result<Metadata, Fault>;

    /// Sets attributes of the open file.
    ///
    /// # Errors
    /// Those of the operating system.
    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault>;

    /// Makes durable what the file holds, whoever has written it.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn sync(&self) -> Result<(), Fault>;

    /// Tells whether [`read_at`](Self::read_at) answers without leaving the thread, as a rule.
    fn is_immediate(&self) -> bool;

    /// Lets a storage recognize its own files in [`WriteHandle::copy_from`].
    fn as_any(&self) -> &dyn Any;
}

/// A file open for writing. Dropped without [`finish`](Self::finish) it counts as aborted.
#[async_trait]
pub trait WriteHandle: fmt::Debug + Send + Sync + 'static {
    /// Writes slices one after another from `offset`. Either all is stored or an error comes back.
    ///
    /// # Errors
    /// `Failed` with a text that tells a full disk from others.
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<(), Fault>;

    /// Appends slices to a file that was opened with `append`, whatever others append meanwhile.
    /// Returns how many bytes are stored: fewer than all only when the storage takes no more.
    ///
    /// # Errors
    /// As [`write_at`](Self::write_at); nothing is stored then.
    async fn append(&self, data: Vec<Bytes>) -> Result<usize, Fault>;

    /// Copies `length` bytes of another file from its offset `from` to `offset`; returns how many:
    /// fewer only when the source ends. A storage that can do it without reading them does. The
    /// caller copies in steps of a few MiB and does not copy a range onto itself.
    ///
    /// # Errors
    /// Those of reading and of [`write_at`](Self::write_at); a part may be stored then.
    async fn copy_from(
        &self,
        source: CopySource<'_>,
        from: u64,
        offset: u64,
        length: u64,
    ) -> Result<u64, Fault> {
        through_memory(self, source, from, offset, length).await
    }

    /// Reads what is stored so far; see [`ReadHandle::read_at`]. Only when opened with `read`.
    ///
    /// # Errors
    /// `Unsupported` when not opened for reading.
    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault>;

    /// Returns the attributes of the file that is being written.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn stat(&self) -> Result<Metadata, Fault>;

    /// Sets attributes of the file that is being written; they survive [`finish`](Self::finish).
    ///
    /// # Errors
    /// Those of the operating system.
    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault>;

    /// Makes what is stored durable.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn sync(&self) -> Result<(), Fault>;

    /// Puts the file in place.
    ///
    /// # Errors
    /// `Failed`; the target is then as it was before the upload (but in direct mode).
    async fn finish(&self) -> Result<(), Fault>;

    /// Ends a broken upload as its mode says.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn abort(&self) -> Result<(), Fault>;

    /// Ends an upload of which nothing is kept, whatever its mode is. What went straight into the
    /// target stays there.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn discard(&self) -> Result<(), Fault>;

    /// Tells whether a file was there when this one was opened, and its size then.
    fn replaced(&self) -> Option<u64>;

    /// Lets a storage recognize its own files in [`copy_from`](Self::copy_from).
    fn as_any(&self) -> &dyn Any;
}

/// An open directory.
#[async_trait]
pub trait Listing: fmt::Debug + Send + 'static {
    /// Returns up to `most` further entries without `.` and `..`, links as links; none at the
    /// end. Entries whose attributes cannot be read are left out.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    async fn next(&mut self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault>;
}
