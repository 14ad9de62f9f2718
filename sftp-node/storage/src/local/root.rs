//! An open directory that a storage is confined to, and what was found out about it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use ferryd_domain::Fault;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, StatxFlags};

use super::Ownership;
use super::cursor::RootNames;
use super::fault::fault;
use super::io_policy::IoPolicy;
use super::mount_info::MOUNTED;

/// How new entries are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// Permission bits that new entries do not get.
    pub umask: u32,
    /// Who owns them.
    pub owner: Ownership,
}

/// The directory that a storage is confined to.
#[derive(Debug)]
pub struct Root {
    descriptor: OwnedFd,
    real_path: Vec<u8>,
    names: RootNames,
    has_openat2: bool,
    io_policy: IoPolicy,
    options: LocalOptions,
}

impl Root {
    /// Opens a directory. The path is the administrator's: links in it are followed.
    /// Blocks; call it on a pool.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory` and those of the operating system.
    pub fn open(path: &Path, options: LocalOptions) -> Result<Self, Fault> {
        let descriptor = rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty()).map_err(fault)?;
        let has_openat2 = openat2_works(&descriptor);
        Self::of(descriptor, has_openat2, path, options)
    }

    /// Opens a directory without waiting for a disk: one that the kernel has in memory, on a file
    /// system that may be asked on the thread of a connection. `None` wherever that is not certain,
    /// or anything fails: [`open`](Self::open) tells.
    pub fn open_at_once(path: &Path, options: LocalOptions) -> Option<Self> {
        let device = MOUNTED.at_once(path)?;
        let cached = ResolveFlags::CACHED;
        let descriptor = rustix::fs::openat2(CWD, path, DIRECTORY, Mode::empty(), cached).ok()?;
        let ask = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let found = rustix::fs::statx(&descriptor, c"", ask, StatxFlags::TYPE).ok()?;
        if rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor) != device {
            return None;
        }
        Self::of(descriptor, true, path, options).ok()
    }

    fn of(
        descriptor: OwnedFd,
        has_openat2: bool,
        path: &Path,
        options: LocalOptions,
    ) -> Result<Self, Fault> {
        let real_path = real_path(&descriptor, path)?;
        let system = rustix::fs::fstatfs(&descriptor).map_err(fault)?;
        let device = rustix::fs::fstat(&descriptor).map_err(fault)?.st_dev;
        // The type of the magic number differs between architectures.
        #[allow(clippy::cast_sign_loss, clippy::unnecessary_cast)]
        let io_policy = IoPolicy::of(system.f_type as u64, device);
        MOUNTED.learn(path, device, io_policy.asks_inline());
        Ok(Self {
            names: RootNames::new(&real_path, path.as_os_str().as_bytes()),
            has_openat2,
            io_policy,
            descriptor,
            real_path,
            options,
        })
    }

    /// Takes openat2 away, as an old kernel or a sandbox does.
    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.has_openat2 = false;
        self
    }

    /// Gives the storage the I/O policy of another kind of file system.
    #[cfg(test)]
    pub(super) fn on_lane_of(mut self, magic: u64) -> Self {
        self.io_policy = IoPolicy::of(magic, u64::MAX);
        self
    }

    pub(super) fn has_openat2(&self) -> bool {
        self.has_openat2
    }

    pub(super) fn names(&self) -> &RootNames {
        &self.names
    }

    pub(super) fn io_policy(&self) -> &IoPolicy {
        &self.io_policy
    }

    /// Drops on the pool what may ask the disk when it is dropped. Without a runtime that is done
    /// here.
    pub(super) fn let_go(self: &Arc<Self>, held: impl Send + 'static) {
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let root = Arc::clone(self);
            runtime.spawn(async move {
                let dropped = root.io_policy().on_pool(move || {
                    drop(held);
                    Ok(())
                });
                if let Err(error) = dropped.await {
                    tracing::debug!(%error, "a file was not closed on the pool");
                }
            });
        }
    }

    pub(super) fn owner(&self) -> Ownership {
        self.options.owner
    }

    /// Returns the permission bits of a new entry.
    pub(super) fn masked(&self, permissions: u32) -> Mode {
        Mode::from_raw_mode(permissions & 0o777 & !self.options.umask)
    }

    /// Returns the path on the disk of a path below the root.
    pub(super) fn real_path_of(&self, below: &[u8]) -> Vec<u8> {
        let mut path = if self.real_path == b"/" { Vec::new() } else { self.real_path.clone() };
        if below != b"/" || path.is_empty() {
            path.extend_from_slice(below);
        }
        path
    }
}

impl AsFd for Root {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Gives a directory that was just made to its owner, with exactly the mode asked for.
pub(crate) fn give_directory(path: &Path, options: LocalOptions) -> Result<(), Fault> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(fault)?;
    let mode = Mode::from_raw_mode(0o777 & !options.umask);
    if process_umask_touches(mode) {
        rustix::fs::fchmod(&directory, mode).map_err(fault)?;
    }
    options.owner.give_file(&directory);
    Ok(())
}

/// Flags to hold a directory without reading it; a link in its place is refused where
/// `NOFOLLOW` is added.
pub(super) const DIRECTORY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// How a path is resolved in one go: nothing in it may be a link.
pub(super) const PLAIN: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);

/// Returns whether the process umask takes bits away from a mode that is asked for.
pub(super) fn process_umask_touches(mode: Mode) -> bool {
    static UMASK: OnceLock<u32> = OnceLock::new();
    mode.as_raw_mode() & *UMASK.get_or_init(process_umask) != 0
}

/// Reads it from /proc, since umask(2) can only be read by changing it.
fn process_umask() -> u32 {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut text = Vec::with_capacity(4096);
    let read = rustix::fs::openat(CWD, c"/proc/self/status", flags, Mode::empty())
        .and_then(|file| rustix::io::read(file, rustix::buffer::spare_capacity(&mut text)));
    let known = read.ok().and_then(|_| {
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|line| line.strip_prefix("Umask:"))?;
        u32::from_str_radix(line.trim(), 8).ok()
    });
    known.unwrap_or(0o777)
}

fn real_path(descriptor: &OwnedFd, path: &Path) -> Result<Vec<u8>, Fault> {
    let link = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    match rustix::fs::readlinkat(CWD, link.as_str(), Vec::new()) {
        Ok(real) if real.to_bytes().first() == Some(&b'/') => Ok(real.into_bytes()),
        Ok(_) | Err(_) => std::fs::canonicalize(path)
            .map(|real| real.as_os_str().as_bytes().to_vec())
            .map_err(|error| Fault::failed("input/output error").because(error)),
    }
}

/// Old kernels answer ENOSYS, sandboxes EPERM or EINVAL.
fn openat2_works(root: &OwnedFd) -> bool {
    rustix::fs::openat2(root, c".", DIRECTORY, Mode::empty(), PLAIN).is_ok()
}
