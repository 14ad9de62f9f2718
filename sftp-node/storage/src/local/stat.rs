//! What a name or a descriptor turns out to be.

use std::os::fd::AsFd;

use ferryd_domain::{Fault, FaultKind};
use rustix::fs::{FileType, OFlags, Stat};

use super::fault::{fault, not_regular};
use crate::{FileId, FileKind, Metadata};

/// Flags to open what may turn out to be anything: a FIFO must not block, a link is refused.
pub(super) const CAREFUL: OFlags =
    OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Returns the attributes of an open regular file.
///
/// # Errors
/// `IsADirectory` for a directory, `Failed` for anything else that is no file.
pub(super) fn regular(file: impl AsFd) -> Result<Stat, Fault> {
    let stat = rustix::fs::fstat(file).map_err(fault)?;
    match kind(&stat) {
        FileKind::File => Ok(stat),
        FileKind::Directory => Err(Fault::new(FaultKind::IsADirectory, "is a directory")),
        FileKind::Symlink | FileKind::Special => Err(not_regular()),
    }
}

fn kind(stat: &Stat) -> FileKind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => FileKind::File,
        FileType::Directory => FileKind::Directory,
        FileType::Symlink => FileKind::Symlink,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => FileKind::Special,
    }
}

/// Returns the attributes as the storage shows them. The widths of the members differ between
/// architectures.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss, clippy::useless_conversion)]
pub(super) fn metadata(stat: &Stat) -> Metadata {
    Metadata {
        kind: kind(stat),
        size: stat.st_size as u64,
        mode: stat.st_mode,
        uid: stat.st_uid,
        gid: stat.st_gid,
        links: u64::from(stat.st_nlink),
        accessed: stat.st_atime as i64,
        modified: stat.st_mtime as i64,
        file_id: FileId { device: stat.st_dev, inode: stat.st_ino },
    }
}
