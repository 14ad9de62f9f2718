//! A held directory and a name in it, with the blocking operations on them. Nothing here follows a
//! link: what was to be followed is followed already.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;

use ferryd_domain::{Fault, RawPath, VirtualPath};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::attributes;
use super::confine::{self, Parent};
use super::cursor::client_path;
use super::fault::{directory_for_writing, fault, not_regular, outside};
use super::root::{DIRECTORY, Root, process_umask_touches};
use super::stat::{CAREFUL, metadata, regular};
use crate::{LinkTarget, Links, Metadata, SetAttributes, Space};

/// Bytes from which on freeing them is not left to a shared thread.
const LARGE: i64 = 16 * 1024 * 1024;

/// A name in a held directory.
#[derive(Clone, Debug)]
pub(super) struct DirEntryAt {
    root: Arc<Root>,
    parent: Parent,
    path: VirtualPath,
}

impl DirEntryAt {
    /// Resolves a path to the entry that it names.
    pub(super) fn resolve(
        root: &Arc<Root>,
        path: &VirtualPath,
        links: Links,
    ) -> Result<Self, Fault> {
        let found = confine::resolve(root, path, links)?;
        Ok(Self { root: Arc::clone(root), parent: found.parent, path: found.path })
    }

    pub(super) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    pub(super) fn path(&self) -> &VirtualPath {
        &self.path
    }

    /// Returns the held directory.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.parent.descriptor(&self.root)
    }

    /// Returns the name in it; the root is the name `.` in itself.
    pub(super) fn name(&self) -> &[u8] {
        self.path.file_name().unwrap_or(b".")
    }

    /// Returns the path on the disk.
    pub(super) fn real_path(&self) -> RawPath {
        self.root.real_path_of(self.path.as_bytes()).into()
    }

    pub(super) fn raw_stat(&self) -> rustix::io::Result<Stat> {
        rustix::fs::statat(self.directory(), self.name(), AtFlags::SYMLINK_NOFOLLOW)
    }

    pub(super) fn stat(&self) -> Result<Metadata, Fault> {
        self.raw_stat().map(|stat| metadata(&stat)).map_err(fault)
    }

    /// Tells whether freeing the blocks of the entry may take long.
    pub(super) fn is_slow_to_free(&self) -> bool {
        self.root.io_policy().frees_slowly()
            && self.raw_stat().is_ok_and(|stat| stat.st_size > LARGE)
    }

    /// Opens the entry with `CAREFUL` and more flags.
    pub(super) fn open(&self, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        rustix::fs::openat(self.directory(), self.name(), flags | CAREFUL, Mode::empty())
    }

    /// Opens a regular file for reading.
    pub(super) fn open_read(&self) -> Result<OwnedFd, Fault> {
        let file = self.open(OFlags::RDONLY).map_err(|errno| match errno {
            Errno::LOOP => not_regular(),
            errno => fault(errno),
        })?;
        regular(&file)?;
        Ok(file)
    }

    /// Opens a directory for listing.
    pub(super) fn open_directory(&self) -> Result<OwnedFd, Fault> {
        self.open(OFlags::RDONLY | OFlags::DIRECTORY).map_err(fault)
    }

    pub(super) fn remove_file(&self) -> Result<(), Fault> {
        self.not_root()?;
        match rustix::fs::unlinkat(self.directory(), self.name(), AtFlags::empty()) {
            // POSIX allows EPERM for a directory, some file systems use it.
            Err(Errno::PERM) if self.is_directory() => Err(fault(Errno::ISDIR)),
            result => result.map_err(fault),
        }
    }

    pub(super) fn remove_directory(&self) -> Result<(), Fault> {
        self.not_root()?;
        match rustix::fs::unlinkat(self.directory(), self.name(), AtFlags::REMOVEDIR) {
            // Some file systems say "exists" for a directory with entries, as POSIX allows.
            Err(Errno::EXIST) => Err(fault(Errno::NOTEMPTY)),
            result => result.map_err(fault),
        }
    }

    fn is_directory(&self) -> bool {
        self.stat().is_ok_and(|entry| entry.is_directory())
    }

    /// Renames; replaces a file or a link at the target, never a directory.
    pub(super) fn rename(&self, target: &Self) -> Result<(), Fault> {
        self.not_root()?;
        target.not_root()?;
        // The common case in one call; it also tells what stands at the target.
        match self.rename_with(target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::EXIST | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                // renameat itself would replace an empty directory by a directory.
                if target.is_directory() {
                    return Err(fault(Errno::ISDIR));
                }
                self.rename_with(target, RenameFlags::empty()).map_err(rename_fault)?;
            }
            Err(errno) => return Err(rename_fault(errno)),
        }
        target.root.owner().give_name(target.directory(), target.name());
        Ok(())
    }

    fn rename_with(&self, target: &Self, flags: RenameFlags) -> rustix::io::Result<()> {
        let (from, to) = (self.directory(), target.directory());
        if flags.is_empty() {
            rustix::fs::renameat(from, self.name(), to, target.name())
        } else {
            rustix::fs::renameat_with(from, self.name(), to, target.name(), flags)
        }
    }

    pub(super) fn make_directory(&self, permissions: u32) -> Result<(), Fault> {
        if self.path.is_root() {
            return Err(fault(Errno::EXIST));
        }
        let mode = self.root.masked(permissions);
        rustix::fs::mkdirat(self.directory(), self.name(), mode).map_err(fault)?;
        if process_umask_touches(mode) {
            attributes::set_mode(self.directory(), self.name(), mode)?;
        }
        self.root.owner().give_name(self.directory(), self.name());
        Ok(())
    }

    /// Makes a link. An absolute target becomes a path of the disk, so that it leads to that path
    /// of the account for other programs as well; the text of a relative one is kept.
    pub(super) fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault> {
        if self.path.is_root() {
            return Err(fault(Errno::EXIST));
        }
        target.from_directory(&self.path.directory())?;
        let text = match target {
            LinkTarget::Absolute(path) => self.root.real_path_of(path.as_bytes()),
            LinkTarget::Relative(text) => text.clone(),
        };
        rustix::fs::symlinkat(text.as_slice(), self.directory(), self.name()).map_err(fault)?;
        self.root.owner().give_name(self.directory(), self.name());
        Ok(())
    }

    pub(super) fn make_hard_link(&self, target: &Self) -> Result<(), Fault> {
        if !self.stat()?.is_file() {
            return Err(not_regular());
        }
        let (from, to) = (self.directory(), target.directory());
        rustix::fs::linkat(from, self.name(), to, target.name(), AtFlags::empty()).map_err(fault)
    }

    /// Reads a link. One that names directories above the root and comes back is shown as the path
    /// of the account that it leads to: those names are none of the client's business.
    pub(super) fn read_link(&self) -> Result<LinkTarget, Fault> {
        match rustix::fs::readlinkat(self.directory(), self.name(), Vec::new()) {
            Ok(text) => {
                let (text, directory) = (text.to_bytes(), self.path.directory());
                if text.first() != Some(&b'/') {
                    let target = LinkTarget::Relative(text.to_vec());
                    if target.from_directory(&directory).is_ok() {
                        return Ok(target);
                    }
                }
                client_path(self.root.names(), &directory, text).map(LinkTarget::Absolute)
            }
            Err(Errno::INVAL) => Err(Fault::failed("not a symbolic link")),
            Err(errno) => Err(fault(errno)),
        }
    }

    /// Sets attributes of the entry, in the order size, mode, owner, times.
    pub(super) fn set_attributes(&self, set: &SetAttributes) -> Result<(), Fault> {
        let (directory, name) = (self.directory(), self.name());
        if let Some(size) = set.size {
            let file = self.open(OFlags::WRONLY).map_err(|errno| match errno {
                Errno::ISDIR => directory_for_writing(),
                errno => fault(errno),
            })?;
            regular(&file)?;
            attributes::resize(&file, size)?;
        }
        if let Some(permissions) = set.permissions {
            attributes::set_mode(directory, name, Mode::from_raw_mode(permissions & 0o777))?;
        }
        if let Some((uid, gid)) = attributes::owner(set) {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::chownat(directory, name, uid, gid, flags).map_err(fault)?;
        }
        if let Some(times) = attributes::times(set) {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::utimensat(directory, name, &times, flags).map_err(fault)?;
        }
        // Nothing to set is still an error for what does not exist.
        if *set == SetAttributes::default() {
            self.stat()?;
        }
        Ok(())
    }

    pub(super) fn space(&self) -> Result<Space, Fault> {
        let system = match self.open_held() {
            Ok(entry) => rustix::fs::fstatvfs(entry),
            Err(_) => rustix::fs::fstatvfs(self.directory()),
        }
        .map_err(fault)?;
        Ok(Space {
            block_size: system.f_frsize,
            blocks: system.f_blocks,
            blocks_free: system.f_bfree,
            blocks_available: system.f_bavail,
            files: system.f_files,
            files_free: system.f_ffree,
            id: system.f_fsid,
            name_max: system.f_namemax,
        })
    }

    /// Opens the entry as a directory to hold; another file system may be mounted there.
    fn open_held(&self) -> rustix::io::Result<OwnedFd> {
        let flags = DIRECTORY | OFlags::NOFOLLOW;
        rustix::fs::openat(self.directory(), self.name(), flags, Mode::empty())
    }

    fn not_root(&self) -> Result<(), Fault> {
        if self.path.is_root() { Err(Fault::denied()) } else { Ok(()) }
    }
}

fn rename_fault(errno: Errno) -> Fault {
    match errno {
        Errno::INVAL => Fault::failed("cannot move a directory into itself").because(errno),
        Errno::LOOP => outside(),
        errno => fault(errno),
    }
}
