//! Resolved paths of the local storage: each operation on a directory entry, on the thread or on the
//! pool as the I/O policy of its file system says.

use std::any::Any;

use async_trait::async_trait;
use ferryd_domain::{Fault, RawPath, VirtualPath};

use super::dir_entry_at::DirEntryAt;
use super::lister::Lister;
use super::reader::{OpenFile, Reader};
use super::writer::Writer;
use crate::{
    LinkTarget, Listing, Metadata, ReadHandle, ResolvedPath, SetAttributes, Space, WriteHandle,
    WriteHow, WriteMode,
};

/// A resolved path on a local disk.
#[derive(Debug)]
pub(super) struct LocalResolvedPath {
    entry: DirEntryAt,
}

impl LocalResolvedPath {
    pub(super) fn new(entry: DirEntryAt) -> Self {
        Self { entry }
    }

    /// Runs work on the directory entry where the I/O policy says.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DirEntryAt) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if self.entry.root().io_policy().asks_inline() {
            work(&self.entry)
        } else {
            self.pool(work).await
        }
    }

    async fn pool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&DirEntryAt) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let entry = self.entry.clone();
        self.entry.root().io_policy().on_pool(move || work(&entry)).await
    }

    fn own<'place>(&self, place: &'place dyn ResolvedPath) -> Result<&'place Self, Fault> {
        place
            .as_any()
            .downcast_ref::<Self>()
            .ok_or_else(|| Fault::failed("not on the same file system"))
    }
}

#[async_trait]
impl ResolvedPath for LocalResolvedPath {
    fn path(&self) -> &VirtualPath {
        self.entry.path()
    }

    fn real_path(&self) -> RawPath {
        self.entry.real_path()
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.run(DirEntryAt::stat).await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, Fault> {
        let directory = self.run(DirEntryAt::open_directory).await?;
        Ok(Box::new(Lister::new(directory, self.entry.root().clone())))
    }

    async fn open_read(&self) -> Result<Box<dyn ReadHandle>, Fault> {
        let file = self.run(DirEntryAt::open_read).await?;
        Ok(Box::new(Reader::new(OpenFile::new(file, self.entry.root().clone()))))
    }

    async fn open_write(&self, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault> {
        // A copy of the old file may take long on any disk, and so may its end.
        let takes_long = match how.mode {
            WriteMode::Direct => how.truncate && self.entry.is_slow_to_free(),
            WriteMode::Atomic | WriteMode::AtomicKeepPart => !how.truncate && !how.append,
        };
        let open = move |entry: &DirEntryAt| Writer::open(entry, how);
        let writer = if takes_long { self.pool(open).await } else { self.run(open).await }?;
        Ok(Box::new(writer))
    }

    async fn remove_file(&self) -> Result<(), Fault> {
        if self.entry.is_slow_to_free() {
            return self.pool(DirEntryAt::remove_file).await;
        }
        self.run(DirEntryAt::remove_file).await
    }

    async fn remove_directory(&self) -> Result<(), Fault> {
        self.run(DirEntryAt::remove_directory).await
    }

    async fn rename(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?.entry.clone();
        if !target.root().io_policy().asks_inline() || target.is_slow_to_free() {
            return self.pool(move |entry| entry.rename(&target)).await;
        }
        self.run(move |entry| entry.rename(&target)).await
    }

    async fn make_directory(&self, permissions: u32) -> Result<(), Fault> {
        self.run(move |entry| entry.make_directory(permissions)).await
    }

    async fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault> {
        let target = target.clone();
        self.run(move |entry| entry.make_symlink(&target)).await
    }

    async fn make_hard_link(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?.entry.clone();
        if !target.root().io_policy().asks_inline() {
            return self.pool(move |entry| entry.make_hard_link(&target)).await;
        }
        self.run(move |entry| entry.make_hard_link(&target)).await
    }

    async fn read_link(&self) -> Result<LinkTarget, Fault> {
        self.run(DirEntryAt::read_link).await
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.run(move |entry| entry.set_attributes(&set)).await
    }

    async fn space(&self) -> Result<Space, Fault> {
        self.run(DirEntryAt::space).await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
