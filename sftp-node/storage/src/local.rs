//! Files of a local disk below one directory that nothing leads out of. A path is resolved once,
//! to a descriptor of its parent and a name (`confine`); every operation acts on these two.

pub mod leftovers;

mod attributes;
mod bulkhead;
mod confine;
mod copy_range;
mod cursor;
mod dir_entry_at;
mod fault;
mod io_policy;
mod lister;
mod mount_info;
mod ownership;
mod reader;
mod resolved_path;
mod root;
mod stat;
mod temporary;
mod threads;
mod tree;
mod usage;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use crate::{Capabilities, Links, ResolvedPath, Storage};
use resolved_path::LocalResolvedPath;

pub(crate) use bulkhead::{OPENS, WALKS};
pub use ownership::Ownership;
pub(crate) use root::give_directory;
pub use root::{LocalOptions, Root};
pub(crate) use usage::usage;

/// The files below a directory of this machine.
#[derive(Debug)]
pub struct LocalStorage {
    root: Arc<Root>,
}

impl LocalStorage {
    /// Returns the storage of an open directory.
    pub fn new(root: Root) -> Self {
        Self { root: Arc::new(root) }
    }
}

#[async_trait]
impl Storage for LocalStorage {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            symlinks: true,
            attributes: true,
            rename_directories: true,
            local: true,
        }
    }

    fn answers_at_once(&self) -> bool {
        self.root.io_policy().asks_inline()
    }

    async fn resolve(
        &self,
        path: &VirtualPath,
        links: Links,
    ) -> Result<Arc<dyn ResolvedPath>, Fault> {
        let entry = if self.root.io_policy().asks_inline() {
            dir_entry_at::DirEntryAt::resolve(&self.root, path, links)?
        } else {
            let (root, path) = (Arc::clone(&self.root), path.clone());
            self.root
                .io_policy()
                .on_pool(move || dir_entry_at::DirEntryAt::resolve(&root, &path, links))
                .await?
        };
        Ok(Arc::new(LocalResolvedPath::new(entry)))
    }
}
