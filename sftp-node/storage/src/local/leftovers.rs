//! Temporary upload files that a crash left behind. Called beside the service, once per run of a
//! node and directory. An upload that runs holds a lock on its file, so that nodes which share a
//! disk leave one another's uploads alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::Fault;
use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::gate::WALKS;
use super::spot::CAREFUL;
use super::tree::regular_files;
use super::writer::is_temporary;
use super::{LocalOptions, Root};

/// Files that one call looks at.
const MOST_FILES: u64 = 5_000_000;

/// Removes temporary upload files below a directory that were last changed before `started` and
/// that no node holds; returns how many. Ends early when `goes_on` says no.
///
/// # Errors
/// Those of opening the directory; files that cannot be removed are logged and left.
pub async fn sweep(
    directory: PathBuf,
    started: SystemTime,
    goes_on: impl Fn() -> bool + Send + 'static,
) -> Result<u64, Fault> {
    let path = directory.clone();
    WALKS.run(&directory, move || sweep_now(&path, started, &goes_on)).await
}

/// Marks a temporary file as one of an upload that runs, until it is closed; a crash closes it.
pub(super) fn mark_in_use(file: &OwnedFd) {
    // A file system without locks has the time of the last change alone.
    if let Err(error) = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        tracing::debug!(%error, "an upload file could not be locked");
    }
}

fn sweep_now(
    directory: &Path,
    started: SystemTime,
    goes_on: &dyn Fn() -> bool,
) -> Result<u64, Fault> {
    let root = Root::open(directory, LocalOptions::default())?;
    let started = started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let (mut removed, mut seen) = (0, 0);
    regular_files(&root, &mut |directory, name, stat| {
        seen += 1;
        if seen > MOST_FILES {
            return Err(Fault::failed("too many files to look at"));
        }
        if !goes_on() {
            return Err(Fault::failed("told to stop"));
        }
        if is_temporary(name)
            && changed_at(stat) < started
            && !is_in_use(directory, name)
            && remove(directory, name)
        {
            removed += 1;
        }
        Ok(())
    })?;
    Ok(removed)
}

/// The last change of the inode in nanoseconds: clients cannot set it.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn changed_at(stat: &Stat) -> u128 {
    stat.st_ctime as u64 as u128 * 1_000_000_000 + stat.st_ctime_nsec as u64 as u128
}

fn is_in_use(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    // NFS locks only what is open for writing.
    let Ok(file) = rustix::fs::openat(directory, name, OFlags::RDWR | CAREFUL, Mode::empty())
    else {
        return false;
    };
    let locked = rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive);
    matches!(locked, Err(Errno::WOULDBLOCK))
}

fn remove(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a leftover upload file could not be removed");
            false
        }
    }
}
