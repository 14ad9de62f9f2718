//! From errors of the operating system to faults. The texts reach clients, so they never hold a
//! path of the server.

use ferryd_domain::{Fault, FaultKind};
use rustix::io::Errno;

use crate::circles::circle;

/// Returns the fault for an error number.
pub(super) fn fault(errno: Errno) -> Fault {
    let (kind, text) = match errno {
        // Asked for all the time and expected: no chain is kept.
        Errno::NOENT => return Fault::not_found("no such file"),
        Errno::ACCESS | Errno::PERM => (FaultKind::PermissionDenied, "permission denied"),
        Errno::EXIST => (FaultKind::AlreadyExists, "file already exists"),
        Errno::NOTDIR => (FaultKind::NotADirectory, "not a directory"),
        Errno::ISDIR => (FaultKind::IsADirectory, "is a directory"),
        Errno::NOTEMPTY => (FaultKind::NotEmpty, "directory not empty"),
        Errno::NAMETOOLONG => (FaultKind::InvalidInput, "name is too long"),
        Errno::LOOP => return circle(),
        Errno::NOSPC | Errno::DQUOT => (FaultKind::Failed, "no space left on device"),
        Errno::XDEV => (FaultKind::Failed, "not on the same file system"),
        Errno::FBIG => (FaultKind::Failed, "file is too large"),
        Errno::ROFS => (FaultKind::Failed, "read-only file system"),
        Errno::INVAL => (FaultKind::Failed, "invalid argument"),
        Errno::NXIO => (FaultKind::Failed, "not a regular file"),
        Errno::MFILE | Errno::NFILE => (FaultKind::Failed, "too many open files"),
        _ => (FaultKind::Failed, "input/output error"),
    };
    Fault::new(kind, text).because(errno)
}

/// Returns the fault for a link that leads out of the storage.
pub(super) fn outside() -> Fault {
    Fault::failed("link leads outside")
}

/// Returns the fault for something that is neither file nor directory.
pub(super) fn not_regular() -> Fault {
    Fault::failed("not a regular file")
}

/// Returns the fault for opening a directory for writing.
pub(super) fn directory_for_writing() -> Fault {
    Fault::unsupported("is a directory")
}
