//! A resolved path of a mounted storage: the one inside, under the path that the client sees.

use std::any::Any;
use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, RawPath, VirtualPath};

use super::MountTable;
use super::listing::MountedListing;
use crate::{
    LinkTarget, Listing, Metadata, ReadHandle, ResolvedPath, SetAttributes, Space, WriteHandle,
    WriteHow,
};

/// A resolved path and the mount that it lies in.
#[derive(Debug)]
pub(super) struct MountedResolvedPath {
    table: Arc<MountTable>,
    holder: usize,
    path: VirtualPath,
    inner: Arc<dyn ResolvedPath>,
}

impl MountedResolvedPath {
    pub(super) fn new(
        table: Arc<MountTable>,
        holder: usize,
        path: VirtualPath,
        inner: Arc<dyn ResolvedPath>,
    ) -> Self {
        Self { table, holder, path, inner }
    }

    /// Returns the path that a link here leads to; it must be in the same folder.
    fn target_here(&self, target: &LinkTarget) -> Result<VirtualPath, Fault> {
        let path = target.from_directory(&self.path.directory())?;
        if self.table.holder(&path) == self.holder {
            Ok(path)
        } else {
            Err(Fault::failed("link leads into another folder"))
        }
    }

    fn inside<'a>(&self, resolved: &'a dyn ResolvedPath) -> &'a dyn ResolvedPath {
        match resolved.as_any().downcast_ref::<Self>() {
            Some(mounted) => mounted.inner.as_ref(),
            None => resolved,
        }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ResolvedPath for MountedResolvedPath {
    fn path(&self) -> &VirtualPath {
        &self.path
    }

    fn real_path(&self) -> RawPath {
        self.inner.real_path()
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.inner.stat().await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, Fault> {
        let inner = self.inner.list().await?;
        let shown = self.table.shown_in(&self.path);
        if shown.is_empty() {
            return Ok(inner);
        }
        Ok(Box::new(MountedListing::new(inner, shown)))
    }

    async fn open_read(&self) -> Result<Box<dyn ReadHandle>, Fault> {
        self.inner.open_read().await
    }

    async fn open_write(&self, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault> {
        self.inner.open_write(how).await
    }

    async fn remove_file(&self) -> Result<(), Fault> {
        self.inner.remove_file().await
    }

    async fn remove_directory(&self) -> Result<(), Fault> {
        self.inner.remove_directory().await
    }

    async fn rename(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        self.inner.rename(self.inside(target)).await
    }

    async fn make_directory(&self, permissions: u32) -> Result<(), Fault> {
        self.inner.make_directory(permissions).await
    }

    async fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault> {
        let path = self.target_here(target)?;
        let target = match target {
            LinkTarget::Absolute(_) => {
                let mount = self.table.mount(self.holder);
                let inside = path.strip_prefix(mount.path()).unwrap_or_else(VirtualPath::root);
                LinkTarget::Absolute(inside)
            }
            LinkTarget::Relative(_) => target.clone(),
        };
        self.inner.make_symlink(&target).await
    }

    async fn make_hard_link(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        self.inner.make_hard_link(self.inside(target)).await
    }

    async fn read_link(&self) -> Result<LinkTarget, Fault> {
        let target = match self.inner.read_link().await? {
            LinkTarget::Absolute(path) => {
                LinkTarget::Absolute(path.below(self.table.mount(self.holder).path()))
            }
            relative @ LinkTarget::Relative(_) => relative,
        };
        self.target_here(&target)?;
        Ok(target)
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.inner.set_attributes(set).await
    }

    async fn space(&self) -> Result<Space, Fault> {
        self.inner.space().await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
