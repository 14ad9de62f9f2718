//! Uploads: a file open for writing, within the quota, at the account's rate.

mod append;
mod ending;
mod pieces;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use ferryd_control_plane::TransferDirection;
use ferryd_domain::{Fault, FaultKind, Operation, VirtualPath};
use ferryd_storage::{
    FileId, Links, Metadata, ResolvedPath, SetAttributes, WriteHandle, WriteHow, WriteMode,
};
use parking_lot::Mutex;

use super::audit::Act;
use super::open_files::{OpenFiles, UsageDelta};
use super::permit::Permit;
use super::quota::Reservation;
use super::throttle::Bucket;
use super::{UserFiles, Visible};
use crate::transfers::TransferGuard;
use pieces::length_of;

pub(crate) use pieces::split_front;

/// Tries to open a file that others make at the same time.
const ATTEMPTS: u32 = 4;
/// Mode of a new file before the umask, when the client sends none.
const FILE_MODE: u32 = 0o666;

/// How a client opens a file for writing.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UploadFlags {
    /// Also read.
    pub read: bool,
    /// Make a missing file.
    pub create: bool,
    /// Drop the old content.
    pub truncate: bool,
    /// Refuse an existing file.
    pub exclusive: bool,
    /// Every write goes to the end of the file, whatever its offset.
    pub append: bool,
    /// Mode of a new file before the umask; `None` is the usual one.
    pub permissions: Option<u32>,
}

impl UploadFlags {
    /// Tells whether anything that has the name is refused.
    const fn must_make(self) -> bool {
        self.exclusive && self.create
    }

    /// Tells whether writes go to the end: with truncation there is no old end to keep.
    const fn appends(self) -> bool {
        self.append && !self.truncate
    }

    /// A link that leads nowhere has the name as well.
    const fn links(self) -> Links {
        if self.must_make() { Links::Keep } else { Links::Follow }
    }
}

/// A file open for writing.
pub(crate) struct Upload {
    files: UserFiles,
    handle: Box<dyn WriteHandle>,
    resolved: Arc<dyn ResolvedPath>,
    path: VirtualPath,
    progress: TransferGuard,
    /// Bytes that are in the counters and that this upload writes anew.
    counted: Arc<AtomicU64>,
    /// The file, when it is written in place.
    in_place: Option<FileId>,
    /// Bytes that are not in the counters yet and need room, for one whose writes go to the end.
    appended: Option<AtomicU64>,
    readable: bool,
    reservation: tokio::sync::Mutex<Reservation>,
    broken: Mutex<Option<Fault>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("path", &self.path).finish_non_exhaustive()
    }
}

impl UserFiles {
    pub(super) async fn try_open_write(
        &self,
        raw: &[u8],
        flags: UploadFlags,
    ) -> Result<Upload, Fault> {
        let path = VirtualPath::parse(raw)?;
        for _ in 1..ATTEMPTS {
            match self.open_once(&path, flags).await {
                // Made by another session since it was looked at.
                Err(fault) if fault.kind() == FaultKind::AlreadyExists && !flags.exclusive => {}
                opened => return opened,
            }
        }
        self.open_once(&path, flags).await
    }

    async fn open_once(&self, path: &VirtualPath, flags: UploadFlags) -> Result<Upload, Fault> {
        let permit = self.permit(Operation::Upload, path)?;
        let resolved = self.resolve(&permit, flags.links()).await?;
        let found = self.permit_overwrite(path, resolved.as_ref(), flags).await?;
        let mut reservation = self.reserve(u32::from(found.is_none())).await?;
        let how = self.write_how(path, resolved.as_ref(), flags, found.is_some());
        match self.start(&permit, flags.links(), &resolved, how).await {
            Ok((started, resolved)) => {
                Ok(self.upload(started, resolved, path.clone(), flags, reservation))
            }
            Err(fault) => {
                reservation.settle(UsageDelta::default()).await;
                Err(fault)
            }
        }
    }

    /// Opens the file that takes the bytes, where its path leads now if filters depend on that.
    async fn start(
        &self,
        permit: &Permit,
        links: Links,
        resolved: &Arc<dyn ResolvedPath>,
        how: WriteHow,
    ) -> Result<(Started, Arc<dyn ResolvedPath>), Fault> {
        let mut open = self.shared.open_files.lock().await;
        let again = self.place_again(permit, links).await?;
        let resolved = again.unwrap_or_else(|| Arc::clone(resolved));
        if !how.exclusive {
            self.permit_at(Operation::Overwrite, permit.path(), resolved.as_ref())?;
        }
        let started = Self::start_at(&mut open, resolved.as_ref(), how).await?;
        Ok((started, resolved))
    }

    async fn start_at(
        open: &mut OpenFiles,
        resolved: &dyn ResolvedPath,
        how: WriteHow,
    ) -> Result<Started, Fault> {
        let handle = resolved.open_write(how).await?;
        let replaced = handle.replaced();
        let (in_place, counted) = match how.mode {
            WriteMode::Direct => note(open, handle.as_ref()).await?,
            _ if how.append && replaced.is_some() => note(open, handle.as_ref()).await?,
            WriteMode::Atomic | WriteMode::AtomicKeepPart => {
                (None, Arc::new(AtomicU64::new(replaced.unwrap_or(0))))
            }
        };
        Ok(Started { handle, in_place, counted })
    }

    /// An existing file needs `overwrite` as well; returns it.
    async fn permit_overwrite(
        &self,
        path: &VirtualPath,
        resolved: &dyn ResolvedPath,
        flags: UploadFlags,
    ) -> Result<Option<Metadata>, Fault> {
        let metadata = match resolved.stat().await {
            Ok(metadata) => metadata,
            Err(fault) if fault.kind() == FaultKind::NotFound && flags.create => return Ok(None),
            Err(fault) => return Err(fault),
        };
        if metadata.is_directory() {
            return Err(Fault::unsupported("is a directory"));
        }
        self.permit(Operation::Overwrite, path)?;
        self.permit_at(Operation::Overwrite, path, resolved)?;
        if flags.must_make() {
            return Err(Fault::new(FaultKind::AlreadyExists, "file exists"));
        }
        Ok(Some(metadata))
    }

    /// A file that was missing must still be, unless another one may be overwritten: of two
    /// atomic uploads of one new name the last to end stays.
    fn write_how(
        &self,
        path: &VirtualPath,
        resolved: &dyn ResolvedPath,
        flags: UploadFlags,
        exists: bool,
    ) -> WriteHow {
        let mode = self.shared.write_mode;
        let may_replace = mode != WriteMode::Direct
            && !flags.exclusive
            && self.permit(Operation::Overwrite, path).is_ok()
            && self.permit_at(Operation::Overwrite, path, resolved).is_ok();
        let append = flags.appends();
        WriteHow {
            mode,
            // What an appender has beside the target may have to be copied to its end.
            read: flags.read || (append && mode != WriteMode::Direct),
            create: flags.create && !exists,
            truncate: flags.truncate,
            exclusive: !exists && !may_replace,
            append,
            permissions: self.mode_of_new(flags.permissions, FILE_MODE),
        }
    }

    fn upload(
        &self,
        started: Started,
        resolved: Arc<dyn ResolvedPath>,
        path: VirtualPath,
        flags: UploadFlags,
        reservation: Reservation,
    ) -> Upload {
        Upload {
            progress: self.shared.transfers.start(TransferDirection::Upload, (&path).into()),
            files: self.clone(),
            handle: started.handle,
            resolved,
            path,
            counted: started.counted,
            in_place: started.in_place,
            appended: flags.appends().then(AtomicU64::default),
            readable: flags.read,
            reservation: tokio::sync::Mutex::new(reservation),
            broken: Mutex::new(None),
        }
    }
}

/// A file that was opened and is in the table of open files.
struct Started {
    handle: Box<dyn WriteHandle>,
    in_place: Option<FileId>,
    counted: Arc<AtomicU64>,
}

async fn note(
    open: &mut OpenFiles,
    handle: &dyn WriteHandle,
) -> Result<(Option<FileId>, Arc<AtomicU64>), Fault> {
    let file_id = handle.stat().await?.file_id;
    Ok((Some(file_id), open.start(file_id, handle.replaced())))
}

impl Upload {
    /// Stores slices one after another from `offset`.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Failed`; the transfer then counts as broken.
    pub async fn write(&self, offset: u64, data: Vec<Bytes>) -> Result<(), Fault> {
        let stored = self.store(offset, data).await;
        stored.inspect_err(|fault| self.break_with(fault))
    }

    /// Stores in one piece. A failure does not break the transfer: the caller tries again in
    /// smaller pieces.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Failed`.
    pub async fn try_write(&self, offset: u64, data: Vec<Bytes>) -> Result<(), Fault> {
        let length = length_of(&data);
        self.admit(offset, length).await?;
        self.handle.write_at(offset, data).await?;
        self.progress.moved(length as u64);
        Ok(())
    }

    /// Stores in pieces that keep to the account's rate.
    async fn store(&self, mut offset: u64, mut data: Vec<Bytes>) -> Result<(), Fault> {
        if let Some(most) = self.piece() {
            while length_of(&data) > most {
                self.try_write(offset, split_front(&mut data, most)).await?;
                offset = offset.saturating_add(most as u64);
            }
        }
        self.try_write(offset, data).await
    }

    /// Waits until this many bytes may be stored at `offset`.
    pub(super) async fn admit(&self, offset: u64, length: usize) -> Result<(), Fault> {
        let end = offset
            .checked_add(length as u64)
            .filter(|end| i64::try_from(*end).is_ok())
            .ok_or_else(|| Fault::failed("offset too large"))?;
        self.wait_for_rate(length).await?;
        match &self.appended {
            Some(appended) => self.make_room_at_end(appended, length as u64).await,
            None => self.reserve_up_to(end).await,
        }
    }

    /// Waits for the account's rate.
    async fn wait_for_rate(&self, length: usize) -> Result<(), Fault> {
        let Some(bucket) = &self.files.shared.throttle.upload else { return Ok(()) };
        tokio::select! {
            () = bucket.take(length) => Ok(()),
            () = self.progress.gone() => Err(Fault::failed("the client is gone")),
        }
    }

    /// Makes sure that the file may have this size.
    async fn reserve_up_to(&self, size: u64) -> Result<(), Fault> {
        let growth = size.saturating_sub(self.counted.load(Ordering::Acquire));
        self.reservation.lock().await.grow(growth).await
    }

    pub(super) fn break_with(&self, fault: &Fault) {
        self.broken.lock().get_or_insert_with(|| fault.clone());
    }

    pub(super) fn is_broken(&self) -> bool {
        self.broken.lock().is_some()
    }

    /// Reads what is stored so far; see [`Download::read`](super::Download::read).
    ///
    /// # Errors
    /// `Failed` when the file was not opened for reading as well.
    pub async fn read(
        &self,
        offset: u64,
        length: usize,
        buffer: Vec<u8>,
    ) -> Result<Vec<u8>, Fault> {
        let read = match self.permit_reading() {
            Ok(()) => self.handle.read_at(offset, length, buffer).await,
            Err(fault) => Err(fault),
        };
        self.files.told(Act::Read, self.path.as_bytes(), read)
    }

    /// Allows what is stored so far to be read.
    pub(super) fn permit_reading(&self) -> Result<(), Fault> {
        if !self.readable {
            return Err(Fault::failed("the handle is not open for reading"));
        }
        self.files.permit(Operation::Download, &self.path).map(drop)
    }

    /// Returns what is visible of the file that is being written.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn stat(&self) -> Result<Visible, Fault> {
        let found = self.handle.stat().await;
        let metadata = self.files.told(Act::Stat, self.path.as_bytes(), found)?;
        Ok(self.files.visible(&self.path, metadata))
    }

    /// Makes what is stored durable.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn sync(&self) -> Result<(), Fault> {
        let synced = self.handle.sync().await;
        self.files.told(Act::Sync, self.path.as_bytes(), synced)
    }

    /// Sets attributes; [`UserFiles::set_upload_attributes`] has permitted it.
    pub(super) async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        if let Some(size) = set.size {
            self.reserve_up_to(size).await?;
        }
        self.handle.set_attributes(set).await?;
        if let (Some(size), Some(appended)) = (set.size, &self.appended) {
            let growth = size.saturating_sub(self.counted.load(Ordering::Acquire));
            appended.fetch_max(growth, Ordering::AcqRel);
        }
        Ok(())
    }

    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }

    pub(super) fn files(&self) -> &UserFiles {
        &self.files
    }

    pub(super) fn resolved(&self) -> &dyn ResolvedPath {
        self.resolved.as_ref()
    }

    pub(super) fn handle(&self) -> &dyn WriteHandle {
        self.handle.as_ref()
    }

    pub(super) fn progress(&self) -> &TransferGuard {
        &self.progress
    }

    /// Returns the bucket that what is read and sent has to pass.
    pub fn pace(&self) -> Option<&Bucket> {
        self.files.shared.throttle.download.as_ref()
    }

    /// Returns how much should be stored at once so that the account's rate is kept smoothly.
    pub fn piece(&self) -> Option<usize> {
        self.files.shared.throttle.upload.as_ref().map(Bucket::piece)
    }
}
