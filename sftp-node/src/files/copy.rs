//! Copying between open files without the client, and digests of what a file holds.

use std::sync::Arc;

use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{CopySource, Links, ReadHandle};

use super::{Download, Upload, UserFiles};
use crate::digest::{Algorithm, Hasher};

/// Bytes that are read for a digest at once.
const STEP: usize = 256 * 1024;
/// Bytes that are copied at once: a few milliseconds of a disk, and blocks that can be shared.
const COPY_STEP: usize = 8 << 20;

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

/// Where a copy comes from. An upload must be open for reading as well.
#[derive(Debug)]
pub(crate) enum Source {
    Download(Arc<Download>),
    Upload(Arc<Upload>),
}

/// A copy whose length is known.
struct Copy<'files> {
    source: CopySource<'files>,
    to: &'files Upload,
    from: u64,
    offset: u64,
    length: u64,
}

pub(super) async fn try_copy(
    source: &Source,
    range: Range,
    to: &Upload,
    offset: u64,
    gone: impl Future<Output = ()>,
) -> Result<(), Fault> {
    let source = source.open()?;
    let found = source.stat().await?;
    let rest = found.size.saturating_sub(range.offset);
    let length = range.length.unwrap_or(rest).min(rest);
    let same = found.file_id == to.handle().stat().await?.file_id;
    if same && !to.appends() && range.offset.abs_diff(offset) < length {
        return Err(Fault::failed("source and target overlap"));
    }
    let copied = Copy { source, to, from: range.offset, offset, length }.run(gone).await;
    copied.inspect_err(|fault| to.break_with(fault))
}

impl Source {
    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        match self {
            Self::Download(file) => file.path(),
            Self::Upload(file) => file.path(),
        }
    }

    fn open(&self) -> Result<CopySource<'_>, Fault> {
        match self {
            Self::Download(file) => Ok(CopySource::Read(file.handle())),
            Self::Upload(file) => {
                file.permit_reading()?;
                Ok(CopySource::Write(file.handle()))
            }
        }
    }
}

impl Copy<'_> {
    /// Copies. A step that has begun is not given up half way, so that what is counted afterwards
    /// is what is stored.
    async fn run(self, gone: impl Future<Output = ()>) -> Result<(), Fault> {
        tokio::pin!(gone);
        let most = self.to.piece().unwrap_or(COPY_STEP).min(COPY_STEP);
        let mut done = 0_u64;
        while done < self.length {
            let step = usize::try_from(self.length - done).unwrap_or(most).min(most);
            let offset = self.offset.saturating_add(done);
            tokio::select! {
                biased;
                () = &mut gone => return Err(Fault::failed("the client is gone")),
                admitted = self.to.admit(offset, step) => admitted?,
            }
            let from = self.from.saturating_add(done);
            let copied = self.to.handle().copy_from(self.source, from, offset, step as u64).await?;
            if copied == 0 {
                break;
            }
            self.to.progress().moved(copied);
            done = done.saturating_add(copied);
        }
        Ok(())
    }
}

impl UserFiles {
    pub(super) async fn try_digest(
        &self,
        raw: &[u8],
        algorithm: Algorithm,
    ) -> Result<Vec<u8>, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::Hash, &path)?;
        let resolved = self.resolve(&permit, Links::Follow).await?;
        let handle = resolved.open_read().await?;
        let whole = Range { offset: 0, length: None };
        digests_of(handle.as_ref(), algorithm, whole, None).await
    }

    pub(super) async fn try_digests(
        &self,
        file: &Download,
        algorithm: Algorithm,
        range: Range,
        block: Option<u64>,
    ) -> Result<Vec<u8>, Fault> {
        self.permit(Operation::Hash, file.path())?;
        self.permit_at(Operation::Hash, file.path(), file.resolved())?;
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
        let reservation = block.map_or(u64::MAX, |block| block - in_block);
        let step = range.step(done).min(usize::try_from(reservation).unwrap_or(usize::MAX));
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
