//! Files in memory: a second storage for tests and fuzzing, with the same rules and no disk. Not
//! offered to accounts.

mod handles;
mod resolved_path;
mod tree;

use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use crate::{Capabilities, Links, ResolvedPath, Storage};
use resolved_path::MemoryResolvedPath;
use tree::{MOST_BYTES, SharedTree, Tree};

/// An empty storage in memory.
#[derive(Debug)]
pub struct MemoryStorage {
    tree: SharedTree,
}

impl MemoryStorage {
    /// Returns an empty storage.
    pub fn new() -> Self {
        Self::with_files_up_to(MOST_BYTES)
    }

    /// Returns an empty storage whose files have at most this many bytes.
    pub fn with_files_up_to(most_bytes: u64) -> Self {
        Self { tree: SharedTree::new(Tree::new(most_bytes)) }
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            resume: true,
            symlinks: true,
            attributes: true,
            rename_directories: true,
            local: false,
        }
    }

    async fn resolve(
        &self,
        path: &VirtualPath,
        links: Links,
    ) -> Result<Arc<dyn ResolvedPath>, Fault> {
        let (parent, path) = self.tree.lock().resolve(path, links)?;
        Ok(Arc::new(MemoryResolvedPath::new(self.tree.clone(), parent, path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open() -> ((), Arc<dyn Storage>) {
        ((), Arc::new(MemoryStorage::new()))
    }

    crate::storage_contract!(open);
}
