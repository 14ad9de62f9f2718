//! Temporary upload files that a crash left behind. Called beside the service, once per run of a
//! node and directory.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::Fault;
use rustix::fs::{AtFlags, Stat};

use super::bulkhead::WALKS;
use super::temporary::{is_in_use, is_temporary};
use super::tree::regular_files;
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

fn remove(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "a leftover upload file could not be removed");
            false
        }
    }
}
