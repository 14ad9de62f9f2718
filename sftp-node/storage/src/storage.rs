//! The trait of a storage and the arguments of its operations.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use crate::{Capabilities, Place};

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The place is where the link leads.
    Follow,
    /// The place is the link itself.
    Keep,
}

/// A place where files live.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Returns what this storage can do.
    fn capabilities(&self) -> Capabilities;

    /// Tells whether attributes are there at once, without anything that a caller could wait for.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// Finds the place that a path names. The last component need not exist, its parent must.
    /// What is found stays valid whatever happens to the path afterwards: every operation of a
    /// [`Place`] works on descriptors (or keys), so there is no gap between check and use.
    ///
    /// # Errors
    /// `NotFound` when a parent is missing; `Failed` when a link leads out of the storage or in
    /// circles; `NotADirectory` when a parent is a file; `InvalidInput` for a name too long.
    async fn locate(&self, path: &VirtualPath, links: Links) -> Result<Arc<dyn Place>, Fault>;
}

/// How an upload treats what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteHow {
    /// Where the bytes go meanwhile.
    pub mode: WriteMode,
    /// Also open for reading.
    pub read: bool,
    /// Make the file when it is missing; without it a missing file is `NotFound`.
    pub create: bool,
    /// Start from nothing; without it the old bytes stay where they are not overwritten.
    pub truncate: bool,
    /// `AlreadyExists` when there is a file.
    pub exclusive: bool,
    /// Permission bits of a new file before the umask.
    pub permissions: u32,
}

/// Where the bytes of an upload go until it is finished (`upload_mode` of the configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Straight into the target; a broken upload leaves its part (mode 0).
    Direct,
    /// Into a temporary file beside the target that replaces it at the end; a broken upload
    /// leaves the old file (mode 1).
    Atomic,
    /// As `Atomic`, but a broken upload replaces the target with its part (mode 2).
    AtomicKeepPart,
}

/// Size of a storage, in bytes and files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Size of a block.
    pub block_size: u64,
    /// All blocks.
    pub blocks: u64,
    /// Free blocks.
    pub blocks_free: u64,
    /// Free blocks for users.
    pub blocks_available: u64,
    /// All inodes.
    pub files: u64,
    /// Free inodes.
    pub files_free: u64,
    /// Id of the file system.
    pub id: u64,
    /// Longest name.
    pub name_max: u64,
}
