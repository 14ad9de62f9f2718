//! Temporary upload files that a crash left behind. Called once, at the start of a node.

use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::Fault;
use rustix::fs::{AtFlags, Stat};

use super::tree::regular_files;
use super::writer::is_temporary;
use super::{LocalOptions, Root};

/// Files that one call looks at.
const MOST_FILES: u64 = 5_000_000;

/// Removes temporary upload files below a directory that were last changed before `started`;
/// returns how many. Uploads that run are newer than that.
///
/// # Errors
/// Those of opening the directory; files that cannot be removed are logged and left.
pub async fn sweep(directory: PathBuf, started: SystemTime) -> Result<u64, Fault> {
    tokio::task::spawn_blocking(move || sweep_now(&directory, started))
        .await
        .map_err(|error| Fault::internal("sweep").because(error))?
}

fn sweep_now(directory: &Path, started: SystemTime) -> Result<u64, Fault> {
    let root = Root::open(directory, LocalOptions::default())?;
    let started = started.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (mut removed, mut seen) = (0, 0);
    regular_files(&root, &mut |directory, name, stat| {
        seen += 1;
        if seen > MOST_FILES {
            return Err(Fault::failed("too many files to look at"));
        }
        if is_temporary(name) && is_older(stat, started) && remove(directory, name) {
            removed += 1;
        }
        Ok(())
    })?;
    Ok(removed)
}

/// By the time of the last change of the inode: clients cannot set it.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn is_older(stat: &Stat, started: u64) -> bool {
    (stat.st_ctime as u64) < started
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
