//! Downloads: a file open for reading.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ferryd_control_plane::TransferDirection;
use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{Entry, Links, Place, ReadHandle, SetAttributes};
use ferryd_telemetry::metrics::Outcome;

use super::UserFiles;
use super::audit::FinishedTransfer;
use super::throttle::Bucket;
use crate::transfers::TransferGuard;

/// A file open for reading.
pub(crate) struct Download {
    files: UserFiles,
    handle: Box<dyn ReadHandle>,
    place: Arc<dyn Place>,
    path: VirtualPath,
    /// `None` for a file of which nothing is sent.
    progress: Option<TransferGuard>,
    failed: AtomicBool,
    immediate: bool,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("path", &self.path).finish_non_exhaustive()
    }
}

impl UserFiles {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed` for anything that is no regular file.
    pub async fn open_read(&self, raw: &[u8]) -> Result<Download, Fault> {
        let mut download = self.open_unlisted(raw).await?;
        let path = download.path.to_text();
        download.progress = Some(self.shared.transfers.start(TransferDirection::Download, path));
        Ok(download)
    }

    /// Opens a file for reading that is no transfer: nothing of it is sent.
    ///
    /// # Errors
    /// Those of [`open_read`](Self::open_read).
    pub async fn open_unlisted(&self, raw: &[u8]) -> Result<Download, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::Download, &path)?;
        let place = self.place(&permit, Links::Follow).await?;
        let handle = place.open_read().await?;
        let immediate = handle.is_immediate();
        let failed = AtomicBool::new(false);
        Ok(Download { files: self.clone(), handle, place, path, progress: None, failed, immediate })
    }
}

impl Download {
    /// Appends up to `length` bytes from `offset` to `buffer`; nothing at the end of the file.
    ///
    /// # Errors
    /// `Failed`; the transfer then counts as broken.
    pub async fn read(
        &self,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Fault> {
        let before = buffer.len();
        let read = self.handle.read_at(offset, length, buffer).await;
        match (&read, &self.progress) {
            (Ok(filled), Some(progress)) => {
                progress.moved(filled.len().saturating_sub(before) as u64);
            }
            (Ok(_), None) => {}
            (Err(_), _) => self.failed.store(true, Ordering::Relaxed),
        }
        read
    }

    /// Returns the open file, for what is read but not sent.
    pub(super) fn handle(&self) -> &dyn ReadHandle {
        self.handle.as_ref()
    }

    /// Tells whether reads answer without leaving the thread.
    pub fn is_immediate(&self) -> bool {
        self.immediate
    }

    /// Returns the bucket that what is sent has to pass.
    pub fn pace(&self) -> Option<&Bucket> {
        self.files.shared.throttle.download.as_ref()
    }

    /// Returns the attributes of the open file.
    ///
    /// # Errors
    /// `PermissionDenied` without `list`, `Failed`.
    pub async fn stat(&self) -> Result<Entry, Fault> {
        self.files.permit(Operation::Stat, &self.path)?;
        self.handle.stat().await
    }

    /// Makes durable what the file holds.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn sync(&self) -> Result<(), Fault> {
        self.handle.sync().await
    }

    /// Sets attributes; [`UserFiles::set_download_attributes`] has permitted it.
    pub(super) async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.handle.set_attributes(set).await
    }

    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    pub(super) fn place(&self) -> &dyn Place {
        self.place.as_ref()
    }

    /// Ends the transfer well, unless a read has failed.
    pub fn close(&self) {
        let failed = self.failed.load(Ordering::Relaxed);
        self.settle(if failed { Outcome::Failed } else { Outcome::Ok });
    }

    /// Ends the transfer as broken.
    pub fn abort(&self) {
        self.settle(Outcome::Failed);
    }

    fn settle(&self, outcome: Outcome) {
        let Some(progress) = &self.progress else { return };
        self.files.audit().transfer(&FinishedTransfer {
            direction: TransferDirection::Download,
            outcome,
            bytes: progress.bytes(),
            file_size: progress.bytes(),
            elapsed: progress.elapsed(),
            place: self.place.as_ref(),
        });
    }
}
