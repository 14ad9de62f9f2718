//! A located name: where an operation happens.

use std::any::Any;
use std::fmt;

use async_trait::async_trait;
use ferryd_domain::{Fault, RawPath, VirtualPath};

use crate::{
    LinkTarget, Listing, Metadata, ReadHandle, SetAttributes, Space, WriteHandle, WriteHow,
};

/// A name below a held parent directory. The entry itself may or may not exist.
/// All operations act on the name as it is, links at it are not followed: what
/// [`Links::Follow`](crate::Links::Follow) followed is followed already.
#[async_trait]
pub trait ResolvedPath: fmt::Debug + Send + Sync + 'static {
    /// Returns the path after links: the one that policy must allow as well.
    fn path(&self) -> &VirtualPath;

    /// Returns the path for logs and actions: on a disk, or the key of an object.
    fn real_path(&self) -> RawPath;

    /// Returns the attributes of the entry.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    async fn stat(&self) -> Result<Metadata, Fault>;

    /// Opens a directory for listing.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`.
    async fn list(&self) -> Result<Box<dyn Listing>, Fault>;

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// `NotFound`; `Failed` for anything that is no regular file.
    async fn open_read(&self) -> Result<Box<dyn ReadHandle>, Fault>;

    /// Opens a regular file for writing.
    ///
    /// # Errors
    /// `NotFound` without `create`; `AlreadyExists` with `exclusive`; `Unsupported` for a
    /// directory; `Failed` for special files.
    async fn open_write(&self, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault>;

    /// Removes a file, link or special file.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory`.
    async fn remove_file(&self) -> Result<(), Fault>;

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `NotFound`, `NotADirectory`, `NotEmpty`.
    async fn remove_directory(&self) -> Result<(), Fault>;

    /// Renames to another path of the same storage, replacing a file there.
    ///
    /// # Errors
    /// `NotFound`, `IsADirectory` for a directory at the target, `Failed` across file systems.
    async fn rename(&self, target: &dyn ResolvedPath) -> Result<(), Fault>;

    /// Makes a directory with these permission bits before the umask.
    ///
    /// # Errors
    /// `AlreadyExists`.
    async fn make_directory(&self, permissions: u32) -> Result<(), Fault>;

    /// Makes a symbolic link here; what it leads to need not exist.
    ///
    /// # Errors
    /// `AlreadyExists`, `Unsupported`, `Failed` for a target outside.
    async fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault>;

    /// Makes `target` a second name of the regular file here.
    ///
    /// # Errors
    /// `AlreadyExists`, `Unsupported`, `Failed` across file systems.
    async fn make_hard_link(&self, target: &dyn ResolvedPath) -> Result<(), Fault>;

    /// Returns where the symbolic link here leads, as a client may know it: a relative target is
    /// the text of the link.
    ///
    /// # Errors
    /// `Failed` when it leads outside or is no link.
    async fn read_link(&self) -> Result<LinkTarget, Fault>;

    /// Sets attributes of the entry.
    ///
    /// # Errors
    /// `NotFound`, those of the operating system.
    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault>;

    /// Returns the size of the file system that the parent directory is on.
    ///
    /// # Errors
    /// `Unsupported`.
    async fn space(&self) -> Result<Space, Fault>;

    /// Lets a storage recognise its own resolved paths in [`rename`](Self::rename).
    fn as_any(&self) -> &dyn Any;
}
