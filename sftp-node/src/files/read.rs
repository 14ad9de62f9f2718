//! Downloads: a file open for reading.

use std::fmt;
use std::sync::{Arc, OnceLock};

use ferryd_control_plane::TransferDirection;
use ferryd_domain::{Fault, Operation, RawPath, VirtualPath};
use ferryd_storage::{Links, ReadHandle, ResolvedPath, SetAttributes};

use super::audit::{Act, FinishedTransfer};
use super::throttle::Bucket;
use super::{UserFiles, Visible};
use crate::transfers::TransferGuard;

/// Why a transfer is broken that nobody has closed.
pub(super) const CUT: &str = "the client went away before the end";

/// A file open for reading.
pub(crate) struct Download {
    files: UserFiles,
    handle: Box<dyn ReadHandle>,
    resolved: Arc<dyn ResolvedPath>,
    path: VirtualPath,
    /// `None` for a file of which nothing is sent.
    progress: Option<TransferGuard>,
    /// What a read has failed with.
    broken: OnceLock<Fault>,
    immediate: bool,
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download").field("path", &self.path).finish_non_exhaustive()
    }
}

impl UserFiles {
    pub(super) async fn try_open_read(&self, raw: &[u8]) -> Result<Download, Fault> {
        let mut download = self.try_open_unlisted(raw).await?;
        let path = RawPath::from(&download.path);
        download.progress = Some(self.shared.transfers.start(TransferDirection::Download, path));
        Ok(download)
    }

    pub(super) async fn try_open_unlisted(&self, raw: &[u8]) -> Result<Download, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::Download, &path)?;
        let resolved = self.resolve(&permit, Links::Follow).await?;
        let handle = resolved.open_read().await?;
        let immediate = handle.is_immediate();
        let broken = OnceLock::new();
        Ok(Download {
            files: self.clone(),
            handle,
            resolved,
            path,
            progress: None,
            broken,
            immediate,
        })
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
            (Err(fault), Some(_)) => drop(self.broken.set(fault.clone())),
            (Err(_), None) => {}
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

    /// Returns what is visible of the open file.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn stat(&self) -> Result<Visible, Fault> {
        let found = self.handle.stat().await;
        let metadata = self.files.told(Act::Stat, self.path.as_bytes(), found)?;
        Ok(self.files.visible(&self.path, metadata))
    }

    /// Makes durable what the file holds.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn sync(&self) -> Result<(), Fault> {
        let synced = self.handle.sync().await;
        self.files.told(Act::Sync, self.path.as_bytes(), synced)
    }

    /// Sets attributes; [`UserFiles::set_download_attributes`] has permitted it.
    pub(super) async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.handle.set_attributes(set).await
    }

    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    pub(super) fn resolved(&self) -> &dyn ResolvedPath {
        self.resolved.as_ref()
    }

    /// Ends the transfer well, unless a read has failed.
    pub fn close(&self) {
        self.settle(self.broken.get());
    }

    /// Ends the transfer as broken: nobody has closed it.
    pub fn abort(&self) {
        let cut = Fault::failed(CUT);
        self.settle(Some(self.broken.get().unwrap_or(&cut)));
    }

    fn settle(&self, broken: Option<&Fault>) {
        let Some(progress) = &self.progress else { return };
        self.files.audit().transfer(&FinishedTransfer {
            direction: TransferDirection::Download,
            path: &self.path,
            broken,
            bytes: progress.bytes(),
            file_size: progress.bytes(),
            elapsed: progress.elapsed(),
            resolved: self.resolved.as_ref(),
        });
    }
}
