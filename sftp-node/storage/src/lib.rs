//! Where files live. A [`Storage`] knows nothing of users, permissions or quotas; `files` in
//! sftp-node is the only caller.

#[cfg(any(test, feature = "testkit"))]
pub mod contract;
pub mod local;
pub mod memory;
pub mod mounts;
pub mod open;

mod attributes;
mod capabilities;
mod circles;
mod handle;
mod link_target;
mod metadata;
mod resolved_path;
mod space;
mod storage;
mod write_how;

pub use attributes::SetAttributes;
pub use capabilities::Capabilities;
pub use circles::is_circle;
pub use handle::{CopySource, Listing, ReadHandle, WriteHandle};
pub use link_target::LinkTarget;
pub use metadata::{FileId, FileKind, Metadata};
pub use resolved_path::ResolvedPath;
pub use space::Space;
pub use storage::{Links, Storage};
pub use write_how::{WriteHow, WriteMode};
