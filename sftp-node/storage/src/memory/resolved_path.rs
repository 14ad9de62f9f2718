//! Places of the storage in memory.

use std::any::Any;
use std::collections::BTreeMap;

use async_trait::async_trait;
use ferryd_domain::{Fault, FaultKind, RawPath, VirtualPath};

use super::handles::{MemoryListing, MemoryReader, MemoryWriter};
use super::tree::{Content, Inode, SharedTree, TOP, Tree, fault};
use crate::{
    LinkTarget, Listing, Metadata, ReadHandle, ResolvedPath, SetAttributes, Space, WriteHandle,
    WriteHow,
};

/// A name in a directory.
#[derive(Debug)]
pub(super) struct MemoryResolvedPath {
    tree: SharedTree,
    parent: Inode,
    path: VirtualPath,
}

impl MemoryResolvedPath {
    pub(super) fn new(tree: SharedTree, parent: Inode, path: VirtualPath) -> Self {
        Self { tree, parent, path }
    }

    /// Returns the node here.
    fn inode(&self, tree: &Tree) -> Result<Inode, Fault> {
        match self.path.file_name() {
            Some(name) => tree.child(self.parent, name),
            None => Ok(TOP),
        }
    }

    /// Returns the name; the root has none that could be changed.
    fn name(&self) -> Result<&[u8], Fault> {
        self.path.file_name().ok_or_else(Fault::denied)
    }

    fn make(&self, content: Content, permissions: u32) -> Result<(), Fault> {
        let Some(name) = self.path.file_name() else {
            return Err(fault(FaultKind::AlreadyExists, "file already exists"));
        };
        let mut tree = self.tree.lock();
        let inode = tree.add(content, permissions);
        tree.link(self.parent, name, inode)
    }

    fn own<'place>(&self, place: &'place dyn ResolvedPath) -> Result<&'place Self, Fault> {
        place
            .as_any()
            .downcast_ref::<Self>()
            .filter(|resolved| resolved.tree.is_same(&self.tree))
            .ok_or_else(|| Fault::failed("not on the same file system"))
    }
}

#[async_trait]
impl ResolvedPath for MemoryResolvedPath {
    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn real_path(&self) -> RawPath {
        (&self.path).into()
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        let tree = self.tree.lock();
        tree.metadata(self.inode(&tree)?)
    }

    async fn list(&self) -> Result<Box<dyn Listing>, Fault> {
        let tree = self.tree.lock();
        let entries = tree.directory(self.inode(&tree)?)?;
        let names: Vec<(Vec<u8>, Inode)> =
            entries.iter().map(|(name, inode)| (name.clone(), *inode)).collect();
        Ok(Box::new(MemoryListing::new(self.tree.clone(), names)))
    }

    async fn open_read(&self) -> Result<Box<dyn ReadHandle>, Fault> {
        let tree = self.tree.lock();
        let inode = self.inode(&tree)?;
        tree.file(inode)?;
        Ok(Box::new(MemoryReader::new(self.tree.clone(), inode)))
    }

    async fn open_write(&self, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault> {
        let Some(name) = self.path.file_name() else {
            return Err(Fault::unsupported("is a directory"));
        };
        Ok(Box::new(MemoryWriter::open(&self.tree, self.parent, name, how)?))
    }

    async fn remove_file(&self) -> Result<(), Fault> {
        let name = self.name()?;
        let mut tree = self.tree.lock();
        let inode = self.inode(&tree)?;
        if let Content::Directory(_) = tree.node(inode)?.content {
            return Err(fault(FaultKind::IsADirectory, "is a directory"));
        }
        tree.unlink(self.parent, name)?;
        tree.count_name(inode, false)
    }

    async fn remove_directory(&self) -> Result<(), Fault> {
        let name = self.name()?;
        let mut tree = self.tree.lock();
        if !tree.directory(self.inode(&tree)?)?.is_empty() {
            return Err(fault(FaultKind::NotEmpty, "directory not empty"));
        }
        let inode = tree.unlink(self.parent, name)?;
        tree.count_name(inode, false)
    }

    async fn rename(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?;
        let (name, target_name) = (self.name()?, target.name()?);
        let mut tree = self.tree.lock();
        let inode = self.inode(&tree)?;
        let is_directory = tree.directory(inode).is_ok();
        match target.inode(&tree) {
            Ok(old) if old == inode => return Ok(()),
            Ok(old) if tree.directory(old).is_ok() => {
                return Err(fault(FaultKind::IsADirectory, "is a directory"));
            }
            Ok(_) if is_directory => {
                return Err(fault(FaultKind::NotADirectory, "not a directory"));
            }
            Ok(_) => {
                let old = tree.unlink(target.parent, target_name)?;
                tree.count_name(old, false)?;
            }
            Err(error) if error.kind() == FaultKind::NotFound => {}
            Err(error) => return Err(error),
        }
        if is_directory && tree.is_below(target.parent, inode) {
            return Err(Fault::failed("cannot move a directory into itself"));
        }
        tree.link(target.parent, target_name, inode)?;
        tree.unlink(self.parent, name).map(drop)
    }

    async fn make_directory(&self, permissions: u32) -> Result<(), Fault> {
        self.make(Content::Directory(BTreeMap::new()), permissions)
    }

    async fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault> {
        target.from_directory(&self.path.directory())?;
        self.make(Content::Link(target.clone()), 0o777)
    }

    async fn make_hard_link(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?;
        let name = target.name()?;
        let mut tree = self.tree.lock();
        let inode = self.inode(&tree)?;
        tree.file(inode)?;
        tree.link(target.parent, name, inode)?;
        tree.count_name(inode, true)
    }

    async fn read_link(&self) -> Result<LinkTarget, Fault> {
        let tree = self.tree.lock();
        match &tree.node(self.inode(&tree)?)?.content {
            Content::Link(target) => Ok(target.clone()),
            Content::File(_) | Content::Directory(_) => Err(Fault::failed("not a symbolic link")),
        }
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        let mut tree = self.tree.lock();
        let inode = self.inode(&tree)?;
        tree.set(inode, &set)
    }

    async fn space(&self) -> Result<Space, Fault> {
        Err(Fault::unsupported("memory has no size"))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
