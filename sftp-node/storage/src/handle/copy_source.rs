//! What can be copied from: a file open for reading, or one open for both. And the copy that any
//! storage can do.

use std::any::Any;

use bytes::Bytes;
use ferryd_domain::Fault;

use super::{ReadHandle, WriteHandle};
use crate::Metadata;

/// Bytes of one read and write.
const CHUNK: usize = 256 * 1024;

/// An open file to copy from.
#[derive(Clone, Copy, Debug)]
pub enum CopySource<'file> {
    /// Open for reading.
    Read(&'file dyn ReadHandle),
    /// Open for writing, and for reading as well.
    Write(&'file dyn WriteHandle),
}

impl<'file> CopySource<'file> {
    /// Returns the attributes of the open file.
    ///
    /// # Errors
    /// `Failed` when the disk fails.
    pub async fn stat(&self) -> Result<Metadata, Fault> {
        match self {
            Self::Read(file) => file.stat().await,
            Self::Write(file) => file.stat().await,
        }
    }

    async fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Fault> {
        match self {
            Self::Read(file) => file.read_at(offset, length, Vec::new()).await,
            Self::Write(file) => file.read_at(offset, length, Vec::new()).await,
        }
    }

    pub(crate) fn as_any(&self) -> &'file dyn Any {
        match self {
            Self::Read(file) => file.as_any(),
            Self::Write(file) => file.as_any(),
        }
    }
}

/// Copies by reading and writing.
pub(crate) async fn through_memory<Target: WriteHandle + ?Sized>(
    target: &Target,
    source: CopySource<'_>,
    from: u64,
    offset: u64,
    length: u64,
) -> Result<u64, Fault> {
    let mut done = 0_u64;
    while done < length {
        let step = usize::try_from(length - done).unwrap_or(CHUNK).min(CHUNK);
        let read = source.read(from.saturating_add(done), step).await?;
        if read.is_empty() {
            break;
        }
        let count = read.len() as u64;
        target.write_at(offset.saturating_add(done), vec![Bytes::from(read)]).await?;
        done = done.saturating_add(count);
    }
    Ok(done)
}
