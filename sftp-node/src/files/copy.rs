//! Copying between open files without the client, and digests of what a file holds.

use bytes::Bytes;
use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{Links, ReadHandle};

use super::{Download, Upload, UserFiles};
use crate::digest::{Algorithm, Hasher};

/// Bytes of one step; between steps other connections of the thread get their turn.
const STEP: usize = 256 * 1024;

/// A part of a file; `length` `None` means to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: Option<u64>,
}

impl Range {
    /// Returns a range as extensions spell it: a length of 0 means to the end.
    pub fn to_end_if_zero(offset: u64, length: u64) -> Self {
        Self { offset, length: (length > 0).then_some(length) }
    }

    fn step(&self, done: u64) -> usize {
        let left = self.length.map_or(u64::MAX, |length| length.saturating_sub(done));
        usize::try_from(left).unwrap_or(usize::MAX).min(STEP)
    }
}

/// Copies a range of one open file into another, within the quota. Both handles prove that
/// reading and writing are permitted.
///
/// # Errors
/// `QuotaExceeded`, `Failed`.
pub(crate) async fn copy(
    from: &Download,
    range: Range,
    to: &Upload,
    offset: u64,
) -> Result<(), Fault> {
    let mut done = 0u64;
    loop {
        let step = range.step(done);
        if step == 0 {
            return Ok(());
        }
        let read =
            from.handle().read_at(range.offset.saturating_add(done), step, Vec::new()).await?;
        if read.is_empty() {
            return Ok(());
        }
        let length = read.len() as u64;
        to.write(offset.saturating_add(done), vec![Bytes::from(read)]).await?;
        done += length;
        tokio::task::yield_now().await;
    }
}

impl UserFiles {
    /// Returns the digest of a file.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed`.
    pub async fn digest(&self, raw: &[u8], algorithm: Algorithm) -> Result<Vec<u8>, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::Hash, &path)?;
        let place = self.place(&permit, Links::Follow).await?;
        let handle = place.open_read().await?;
        let whole = Range { offset: 0, length: None };
        digests_of(handle.as_ref(), algorithm, whole, None).await
    }

    /// Returns the digests of a range of an open file: one, or one for each block of `block` bytes.
    ///
    /// # Errors
    /// `PermissionDenied`, `Failed`.
    pub async fn digests(
        &self,
        file: &Download,
        algorithm: Algorithm,
        range: Range,
        block: Option<u64>,
    ) -> Result<Vec<u8>, Fault> {
        self.permit(Operation::Hash, file.path())?;
        self.permit_at(Operation::Hash, file.path(), file.place())?;
        digests_of(file.handle(), algorithm, range, block).await
    }
}

async fn digests_of(
    file: &dyn ReadHandle,
    algorithm: Algorithm,
    range: Range,
    block: Option<u64>,
) -> Result<Vec<u8>, Fault> {
    let mut digests = Vec::new();
    let mut hasher = Hasher::new(algorithm);
    let mut in_block = 0u64;
    let mut done = 0u64;
    loop {
        let room = block.map_or(u64::MAX, |block| block - in_block);
        let step = range.step(done).min(usize::try_from(room).unwrap_or(usize::MAX));
        let read = file.read_at(range.offset.saturating_add(done), step, Vec::new()).await?;
        if read.is_empty() {
            break;
        }
        done += read.len() as u64;
        in_block += read.len() as u64;
        hasher = hasher.updated(read).await?;
        if block == Some(in_block) {
            digests.extend(std::mem::replace(&mut hasher, Hasher::new(algorithm)).finish());
            in_block = 0;
        }
    }
    if in_block > 0 || digests.is_empty() {
        digests.extend(hasher.finish());
    }
    Ok(digests)
}
