//! All entries below a directory, depth first, without following links. Any depth and any width
//! takes few descriptors and little memory.

use std::ffi::CStr;
use std::os::fd::{BorrowedFd, OwnedFd};

use ferryd_domain::Fault;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

use super::confine::open_plain;
use super::fault::fault;
use super::root::Root;

/// What is called for a file: with its directory, its name and its attributes.
pub(super) type Visit<'call> =
    &'call mut dyn FnMut(BorrowedFd<'_>, &[u8], &Stat) -> Result<(), Fault>;

/// Directories open at once; what lies deeper is visited afterwards, from the top again.
const OPEN_LEVELS: usize = 48;

/// Calls `visit` with the directory, the name and the attributes of every regular file.
/// Directories that cannot be read are left out.
///
/// # Errors
/// Those of the root itself, and what `visit` returns.
pub(super) fn regular_files(root: &Root, visit: Visit<'_>) -> Result<(), Fault> {
    let mut deferred: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(path) = deferred.pop() {
        let relative = path.strip_prefix(b"/").unwrap_or(&path);
        let opened = open_plain(root, relative)
            .and_then(|held| rustix::fs::openat(held, c".", LISTED, Mode::empty()));
        match opened {
            Ok(directory) => descend(directory, path, &mut deferred, visit)?,
            Err(errno) if path.is_empty() => return Err(fault(errno)),
            Err(error) => tracing::debug!(%error, "a directory could not be visited"),
        }
    }
    Ok(())
}

const LISTED: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

struct Level {
    entries: Dir,
    /// Length of the path to this directory.
    length: usize,
}

fn descend(
    top: OwnedFd,
    mut path: Vec<u8>,
    deferred: &mut Vec<Vec<u8>>,
    visit: Visit<'_>,
) -> Result<(), Fault> {
    let mut levels = vec![level(top, path.len())?];
    loop {
        let depth = levels.len();
        let Some(current) = levels.last_mut() else { return Ok(()) };
        path.truncate(current.length);
        let Some(Ok(found)) = current.entries.read() else {
            levels.pop();
            continue;
        };
        let name = found.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || !may_matter(found.file_type()) {
            continue;
        }
        let directory = current.entries.fd().map_err(fault)?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let Ok(stat) = rustix::fs::statat(directory, name, flags) else { continue };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => visit(directory, name.to_bytes(), &stat)?,
            FileType::Directory => {
                path.push(b'/');
                path.extend_from_slice(name.to_bytes());
                if depth >= OPEN_LEVELS {
                    deferred.push(path.clone());
                } else if let Some(next) = enter(directory, name, path.len()) {
                    levels.push(next);
                }
            }
            _ => {}
        }
    }
}

fn may_matter(kind: FileType) -> bool {
    matches!(kind, FileType::RegularFile | FileType::Directory | FileType::Unknown)
}

fn enter(directory: BorrowedFd<'_>, name: &CStr, length: usize) -> Option<Level> {
    let directory = rustix::fs::openat(directory, name, LISTED, Mode::empty()).ok()?;
    level(directory, length).ok()
}

fn level(directory: OwnedFd, length: usize) -> Result<Level, Fault> {
    Ok(Level { entries: Dir::new(directory).map_err(fault)?, length })
}
