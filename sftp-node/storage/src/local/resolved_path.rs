//! The places of the local storage: each operation of a spot, on the thread or on the pool as the
//! lane of its disk says.

use std::any::Any;

use async_trait::async_trait;
use ferryd_domain::{Fault, RawPath, VirtualPath};

use super::lister::Lister;
use super::reader::{OpenFile, Reader};
use super::spot::Spot;
use super::writer::Writer;
use crate::{
    LinkTarget, Listing, Metadata, ReadHandle, ResolvedPath, SetAttributes, Space, WriteHandle,
    WriteHow, WriteMode,
};

/// A place on a local disk.
#[derive(Debug)]
pub(super) struct LocalResolvedPath {
    spot: Spot,
}

impl LocalResolvedPath {
    pub(super) fn new(spot: Spot) -> Self {
        Self { spot }
    }

    /// Runs work on the spot where its lane says.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spot) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        if self.spot.root().lane().asks_inline() { work(&self.spot) } else { self.pool(work).await }
    }

    async fn pool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Spot) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let spot = self.spot.clone();
        self.spot.root().lane().on_pool(move || work(&spot)).await
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
        self.spot.path()
    }

    fn real_path(&self) -> RawPath {
        self.spot.real_path()
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.run(Spot::stat).await
    }

    async fn list(&self) -> Result<Box<dyn Listing>, Fault> {
        let directory = self.run(Spot::open_directory).await?;
        Ok(Box::new(Lister::new(directory, self.spot.root().clone())))
    }

    async fn open_read(&self) -> Result<Box<dyn ReadHandle>, Fault> {
        let file = self.run(Spot::open_read).await?;
        Ok(Box::new(Reader::new(OpenFile::new(file, self.spot.root().clone()))))
    }

    async fn open_write(&self, how: WriteHow) -> Result<Box<dyn WriteHandle>, Fault> {
        // A copy of the old file may take long on any disk, and so may its end.
        let takes_long = match how.mode {
            WriteMode::Direct => how.truncate && self.spot.is_slow_to_free(),
            WriteMode::Atomic | WriteMode::AtomicKeepPart => !how.truncate && !how.append,
        };
        let open = move |spot: &Spot| Writer::open(spot, how);
        let writer = if takes_long { self.pool(open).await } else { self.run(open).await }?;
        Ok(Box::new(writer))
    }

    async fn remove_file(&self) -> Result<(), Fault> {
        if self.spot.is_slow_to_free() {
            return self.pool(Spot::remove_file).await;
        }
        self.run(Spot::remove_file).await
    }

    async fn remove_directory(&self) -> Result<(), Fault> {
        self.run(Spot::remove_directory).await
    }

    async fn rename(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?.spot.clone();
        if !target.root().lane().asks_inline() || target.is_slow_to_free() {
            return self.pool(move |spot| spot.rename(&target)).await;
        }
        self.run(move |spot| spot.rename(&target)).await
    }

    async fn make_directory(&self, permissions: u32) -> Result<(), Fault> {
        self.run(move |spot| spot.make_directory(permissions)).await
    }

    async fn make_symlink(&self, target: &LinkTarget) -> Result<(), Fault> {
        let target = target.clone();
        self.run(move |spot| spot.make_symlink(&target)).await
    }

    async fn make_hard_link(&self, target: &dyn ResolvedPath) -> Result<(), Fault> {
        let target = self.own(target)?.spot.clone();
        if !target.root().lane().asks_inline() {
            return self.pool(move |spot| spot.make_hard_link(&target)).await;
        }
        self.run(move |spot| spot.make_hard_link(&target)).await
    }

    async fn read_link(&self) -> Result<LinkTarget, Fault> {
        self.run(Spot::read_link).await
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.run(move |spot| spot.set_attributes(&set)).await
    }

    async fn space(&self) -> Result<Space, Fault> {
        self.run(Spot::space).await
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
