//! One upload on the disk, from its start to its one end. All calls block.

use std::os::fd::OwnedFd;

use ferryd_domain::{Fault, FaultKind};
use parking_lot::Mutex;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat, Timestamps, UTIME_OMIT};
use rustix::io::Errno;

use super::copy::copy;
use crate::local::attributes;
use crate::local::dir_entry_at::DirEntryAt;
use crate::local::fault::{directory_for_writing, fault, not_regular};
use crate::local::reader::OpenFile;
use crate::local::root::process_umask_touches;
use crate::local::stat::{CAREFUL, metadata, regular};
use crate::local::temporary::{mark_in_use, temporary_name};
use crate::{SetAttributes, WriteHow, WriteMode};

/// Tries to open what others make and remove at the same time.
const ATTEMPTS: u32 = 16;

/// An upload to a directory entry.
#[derive(Debug)]
pub(super) struct Upload {
    entry: DirEntryAt,
    how: WriteHow,
    file: OpenFile,
    /// Name of the temporary file; `None` when it goes straight into the target.
    temporary: Option<Vec<u8>>,
    replaced: Option<u64>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    ended: bool,
    /// Times that a client has set; writes after that must not change them.
    times: Option<Timestamps>,
}

impl Upload {
    /// Opens the file that takes the bytes.
    pub(super) fn start(entry: &DirEntryAt, how: WriteHow) -> Result<Self, Fault> {
        if entry.path().is_root() {
            return Err(directory_for_writing());
        }
        match how.mode {
            WriteMode::Direct => Self::in_place(entry, how),
            WriteMode::Atomic | WriteMode::AtomicKeepPart if how.append => {
                Self::appending(entry, how)
            }
            WriteMode::Atomic | WriteMode::AtomicKeepPart => Self::beside(entry, how),
        }
    }

    fn new(
        entry: &DirEntryAt,
        how: WriteHow,
        file: OwnedFd,
        temporary: Option<Vec<u8>>,
        replaced: Option<u64>,
    ) -> Self {
        let file = OpenFile::new(file, entry.root().clone());
        Self { entry: entry.clone(), how, file, temporary, replaced, progress: Mutex::default() }
    }

    /// Opens the target itself.
    fn in_place(entry: &DirEntryAt, how: WriteHow) -> Result<Self, Fault> {
        for _ in 0..ATTEMPTS {
            if !how.exclusive {
                match entry.open(access(how)) {
                    Ok(file) => return Self::over(entry, how, file),
                    Err(Errno::NOENT) if how.create => {}
                    Err(errno) => return Err(open_fault(errno)),
                }
            }
            match create(entry, entry.name(), access(how), entry.root().masked(how.permissions)) {
                Ok(file) => {
                    entry.root().owner().give_file(&file);
                    return Ok(Self::new(entry, how, file, None, None));
                }
                Err(Errno::EXIST) if !how.exclusive => {}
                Err(errno) => return Err(open_fault(errno)),
            }
        }
        Err(Fault::new(FaultKind::Conflict, "file is being changed"))
    }

    /// Opens the target itself when it exists. A missing one is made beside it and may not replace
    /// what has come there meanwhile.
    fn appending(entry: &DirEntryAt, how: WriteHow) -> Result<Self, Fault> {
        if !how.exclusive {
            match Self::in_place(entry, WriteHow { create: false, ..how }) {
                Err(fault) if fault.kind() == FaultKind::NotFound && how.create => {}
                opened => return opened,
            }
        }
        Self::beside(entry, WriteHow { exclusive: true, ..how })
    }

    fn over(entry: &DirEntryAt, how: WriteHow, file: OwnedFd) -> Result<Self, Fault> {
        let stat = regular(&file)?;
        entry.root().owner().give_file(&file);
        if how.truncate {
            rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&file, 0)).map_err(fault)?;
        }
        Ok(Self::new(entry, how, file, None, Some(size(&stat))))
    }

    /// Opens a temporary file beside the target.
    fn beside(entry: &DirEntryAt, how: WriteHow) -> Result<Self, Fault> {
        let old = old_file(entry, how)?;
        let mode = match &old {
            Some(old) => Mode::from_raw_mode(old.st_mode & 0o777),
            None => entry.root().masked(how.permissions),
        };
        let name = temporary_name(entry.name());
        let file = create(entry, &name, access(how), mode).map_err(fault)?;
        mark_in_use(&file);
        let owner = entry.root().owner();
        old.as_ref().map_or(owner, |old| owner.or_of(old.st_uid, old.st_gid)).give_file(&file);
        // From here on the temporary file is removed when anything fails: by the drop.
        let replaced = old.as_ref().map(size);
        let upload = Self::new(entry, how, file, Some(name), replaced);
        if old.is_some()
            && !how.truncate
            && let Err(error) = upload.take_over_old_bytes(entry)
        {
            return upload.discard().and(Err(error));
        }
        Ok(upload)
    }

    /// The times come with the bytes: a file that is opened and not written keeps its own.
    fn take_over_old_bytes(&self, entry: &DirEntryAt) -> Result<(), Fault> {
        let source = entry.open_read()?;
        let old = rustix::fs::fstat(&source).map_err(fault)?;
        copy(&source, self.file.descriptor())?;
        if let Err(error) = rustix::fs::futimens(&self.file, &attributes::times_of(&old)) {
            tracing::debug!(%error, "the times of an old file could not be taken over");
        }
        Ok(())
    }

    pub(super) fn file(&self) -> &OpenFile {
        &self.file
    }

    pub(super) fn replaced(&self) -> Option<u64> {
        self.replaced
    }

    /// Tells whether the bytes go straight into the target.
    pub(super) fn is_in_place(&self) -> bool {
        self.temporary.is_none()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.progress.lock().ended
    }

    /// Keeps times that a client has set, so that they can be set again at the end.
    pub(super) fn remember(&self, set: &SetAttributes) {
        if let Some(times) = attributes::times(set) {
            let mut progress = self.progress.lock();
            progress.times = Some(merged(progress.times.take(), times));
        }
    }

    /// Puts the file in place.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        if let Some(times) = self.end()? {
            rustix::fs::futimens(&self.file, &times).map_err(fault)?;
        }
        self.publish().inspect_err(|_| self.remove_temporary())
    }

    /// Ends a broken upload as its mode says.
    pub(super) fn abort(&self) -> Result<(), Fault> {
        self.end()?;
        match self.how.mode {
            WriteMode::Direct => Ok(()),
            WriteMode::Atomic => {
                self.remove_temporary();
                Ok(())
            }
            WriteMode::AtomicKeepPart => self.publish().inspect_err(|_| self.remove_temporary()),
        }
    }

    /// Ends an upload of which no mode keeps anything.
    pub(super) fn discard(&self) -> Result<(), Fault> {
        self.end()?;
        self.remove_temporary();
        Ok(())
    }

    /// Marks the end, of which there is one; returns the times to set.
    fn end(&self) -> Result<Option<Timestamps>, Fault> {
        let mut progress = self.progress.lock();
        if std::mem::replace(&mut progress.ended, true) {
            return Err(Fault::failed("upload has ended"));
        }
        Ok(progress.times.take())
    }

    /// Renames the temporary file to the target.
    fn publish(&self) -> Result<(), Fault> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        self.check_temporary(temporary)?;
        let (directory, name) = (self.entry.directory(), self.entry.name());
        if self.how.exclusive {
            let flags = RenameFlags::NOREPLACE;
            match rustix::fs::renameat_with(directory, temporary.as_slice(), directory, name, flags)
            {
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
                result => return result.map_err(fault),
            }
        }
        rustix::fs::renameat(directory, temporary.as_slice(), directory, name).map_err(fault)
    }

    /// Another session of the account can do what it likes with the name meanwhile.
    fn check_temporary(&self, temporary: &[u8]) -> Result<(), Fault> {
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let named = rustix::fs::statat(self.entry.directory(), temporary, flags).map_err(fault)?;
        let open = rustix::fs::fstat(&self.file).map_err(fault)?;
        if (named.st_dev, named.st_ino) == (open.st_dev, open.st_ino) {
            Ok(())
        } else {
            Err(Fault::failed("upload was changed by another session"))
        }
    }

    fn remove_temporary(&self) {
        let Some(temporary) = &self.temporary else { return };
        let directory = self.entry.directory();
        match rustix::fs::unlinkat(directory, temporary.as_slice(), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => tracing::warn!(%error, "a temporary upload file could not be removed"),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.has_ended()
            && let Err(error) = self.abort()
        {
            tracing::debug!(%error, "a broken upload could not be ended");
        }
    }
}

/// Looks at what the upload will replace.
fn old_file(entry: &DirEntryAt, how: WriteHow) -> Result<Option<Stat>, Fault> {
    match entry.raw_stat() {
        Ok(stat) => match metadata(&stat).kind {
            crate::FileKind::Directory => Err(directory_for_writing()),
            crate::FileKind::Symlink | crate::FileKind::Special => Err(not_regular()),
            crate::FileKind::File if how.exclusive => Err(fault(Errno::EXIST)),
            crate::FileKind::File => Ok(Some(stat)),
        },
        Err(Errno::NOENT) if how.create => Ok(None),
        Err(errno) => Err(fault(errno)),
    }
}

fn access(how: WriteHow) -> OFlags {
    let access = if how.read { OFlags::RDWR } else { OFlags::WRONLY };
    if how.append { access | OFlags::APPEND } else { access }
}

/// Makes a file that was not there, with exactly this mode.
fn create(
    entry: &DirEntryAt,
    name: &[u8],
    access: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let flags = access | CAREFUL | OFlags::CREATE | OFlags::EXCL;
    let file = rustix::fs::openat(entry.directory(), name, flags, mode)?;
    if process_umask_touches(mode) {
        rustix::fs::fchmod(&file, mode)?;
    }
    Ok(file)
}

fn open_fault(errno: Errno) -> Fault {
    match errno {
        Errno::ISDIR => directory_for_writing(),
        Errno::LOOP => not_regular(),
        errno => fault(errno),
    }
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Returns the later times, with the earlier ones where they leave one out.
fn merged(earlier: Option<Timestamps>, later: Timestamps) -> Timestamps {
    let Some(earlier) = earlier else { return later };
    let newest = |later: rustix::fs::Timespec, earlier| {
        if later.tv_nsec == UTIME_OMIT { earlier } else { later }
    };
    Timestamps {
        last_access: newest(later.last_access, earlier.last_access),
        last_modification: newest(later.last_modification, earlier.last_modification),
    }
}
