//! Virtual folders: storages shown below another one. The longest path wins; inside, a storage
//! sees paths of its own. No link leads from one into another.

mod listing;
mod resolved_path;

use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use crate::{Capabilities, Links, ResolvedPath, Storage};
use resolved_path::MountedResolvedPath;

/// A storage shown at a path.
#[derive(Clone, Debug)]
pub struct Mount {
    path: VirtualPath,
    storage: Option<Arc<dyn Storage>>,
}

impl Mount {
    /// Returns a mount; without a storage it is shown and cannot be entered.
    pub fn new(path: VirtualPath, storage: Option<Arc<dyn Storage>>) -> Self {
        Self { path, storage }
    }

    /// Returns where it is shown.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }
}

/// A storage with virtual folders.
#[derive(Debug)]
pub struct MountedStorage {
    table: Arc<MountTable>,
}

/// All mounts, the deepest first, the root last.
#[derive(Debug)]
struct MountTable {
    mounts: Vec<Mount>,
    root: Mount,
}

impl MountTable {
    /// Returns the index of the mount that holds a path.
    fn holder(&self, path: &VirtualPath) -> usize {
        self.mounts
            .iter()
            .position(|mount| path.starts_with(&mount.path))
            .unwrap_or(self.mounts.len())
    }

    fn mount(&self, index: usize) -> &Mount {
        self.mounts.get(index).unwrap_or(&self.root)
    }

    /// Returns the mounts that are shown directly in a directory.
    fn shown_in(&self, directory: &VirtualPath) -> Vec<Mount> {
        let shown = |mount: &&Mount| mount.path.parent().as_ref() == Some(directory);
        self.mounts.iter().filter(shown).cloned().collect()
    }
}

impl MountedStorage {
    /// Returns a storage with others shown in it.
    pub fn new(root: Arc<dyn Storage>, mut mounts: Vec<Mount>) -> Self {
        mounts.sort_by_key(|mount| std::cmp::Reverse(mount.path.as_bytes().len()));
        let root = Mount::new(VirtualPath::root(), Some(root));
        Self { table: Arc::new(MountTable { mounts, root }) }
    }
}

#[async_trait]
impl Storage for MountedStorage {
    fn capabilities(&self) -> Capabilities {
        match &self.table.root.storage {
            Some(root) => root.capabilities(),
            None => Capabilities {
                resume: false,
                symlinks: false,
                attributes: false,
                rename_directories: false,
                local: false,
            },
        }
    }

    fn answers_at_once(&self) -> bool {
        let mut mounts = self.table.mounts.iter().chain([&self.table.root]);
        mounts.all(|mount| mount.storage.as_ref().is_none_or(|inner| inner.answers_at_once()))
    }

    async fn resolve(
        &self,
        path: &VirtualPath,
        links: Links,
    ) -> Result<Arc<dyn ResolvedPath>, Fault> {
        let holder = self.table.holder(path);
        let mount = self.table.mount(holder);
        let Some(storage) = &mount.storage else {
            return Err(Fault::not_found("no such file"));
        };
        let inside = path.strip_prefix(&mount.path).unwrap_or_else(VirtualPath::root);
        let inner = storage.resolve(&inside, links).await?;
        let path = inner.path().below(&mount.path);
        // A link to what a virtual folder hides, or into the folder itself.
        if self.table.holder(&path) != holder {
            return Err(Fault::failed("link leads into another folder"));
        }
        Ok(Arc::new(MountedResolvedPath::new(Arc::clone(&self.table), holder, path, inner)))
    }
}

#[cfg(test)]
mod tests;
