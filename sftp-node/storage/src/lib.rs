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
mod copy_source;
mod entry;
mod handle;
mod place;
mod storage;

pub use attributes::SetAttributes;
pub use capabilities::Capabilities;
pub use circles::is_circle;
pub use copy_source::CopySource;
pub use entry::{Entry, EntryKind, FileStamp};
pub use handle::{Listing, ReadHandle, WriteHandle};
pub use place::Place;
pub use storage::{Links, Space, Storage, WriteHow, WriteMode};
