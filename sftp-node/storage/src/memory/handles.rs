//! Open files and directories of the storage in memory.

use std::any::Any;

use async_trait::async_trait;
use bytes::Bytes;
use ferryd_domain::{Fault, FaultKind};
use parking_lot::Mutex;

use super::tree::{Content, Inode, SharedTree, fault, missing};
use crate::{Listing, Metadata, ReadHandle, SetAttributes, WriteHandle, WriteHow, WriteMode};

/// A file open for reading.
#[derive(Debug)]
pub(super) struct MemoryReader {
    tree: SharedTree,
    inode: Inode,
}

impl MemoryReader {
    pub(super) fn new(tree: SharedTree, inode: Inode) -> Self {
        Self { tree, inode }
    }
}

fn read(
    tree: &SharedTree,
    inode: Inode,
    offset: u64,
    length: usize,
    mut buffer: Vec<u8>,
) -> Result<Vec<u8>, Fault> {
    let tree = tree.lock();
    let data = tree.file(inode)?;
    let start = usize::try_from(offset).map_or(data.len(), |start| start.min(data.len()));
    let end = start.saturating_add(length).min(data.len());
    buffer.extend_from_slice(data.get(start..end).unwrap_or_default());
    Ok(buffer)
}

#[async_trait]
impl ReadHandle for MemoryReader {
    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault> {
        read(&self.tree, self.inode, offset, length, buffer)
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.tree.lock().metadata(self.inode)
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.tree.lock().set(self.inode, &set)
    }

    async fn sync(&self) -> Result<(), Fault> {
        Ok(())
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A file open for writing. An atomic upload is a node that nothing names until its end.
#[derive(Debug)]
pub(super) struct MemoryWriter {
    tree: SharedTree,
    parent: Inode,
    name: Vec<u8>,
    how: WriteHow,
    inode: Inode,
    replaced: Option<u64>,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    ended: bool,
    times: SetAttributes,
}

impl MemoryWriter {
    pub(super) fn open(
        shared: &SharedTree,
        parent: Inode,
        name: &[u8],
        how: WriteHow,
    ) -> Result<Self, Fault> {
        let mut tree = shared.lock();
        let old = match tree.child(parent, name) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == FaultKind::NotFound && how.create => None,
            Err(error) => return Err(error),
        };
        if let Some(old) = old {
            match &tree.node(old)?.content {
                Content::Directory(_) => return Err(Fault::unsupported("is a directory")),
                Content::Link(_) => return Err(Fault::failed("not a regular file")),
                Content::File(_) if how.exclusive => {
                    return Err(fault(FaultKind::AlreadyExists, "file already exists"));
                }
                Content::File(_) => {}
            }
        }
        let replaced = old.map(|old| tree.file(old).map(|data| data.len() as u64)).transpose()?;
        let inode = match (how.mode, old) {
            (_, Some(old)) if how.mode == WriteMode::Direct || how.append => {
                if how.truncate {
                    tree.resize(old, 0)?;
                }
                old
            }
            (WriteMode::Direct, None) => {
                let inode = tree.add(Content::File(Vec::new()), how.permissions);
                tree.link(parent, name, inode)?;
                inode
            }
            (WriteMode::Atomic | WriteMode::AtomicKeepPart, None) => {
                tree.add(Content::File(Vec::new()), how.permissions)
            }
            (WriteMode::Direct | WriteMode::Atomic | WriteMode::AtomicKeepPart, Some(old)) => {
                let data = if how.truncate { Vec::new() } else { tree.file(old)?.clone() };
                let permissions = tree.node(old)?.permissions;
                tree.add(Content::File(data), permissions)
            }
        };
        drop(tree);
        let (tree, name, progress) = (shared.clone(), name.to_vec(), Mutex::default());
        // An appender that has made a file does not replace what has come there meanwhile.
        let how = WriteHow { exclusive: how.exclusive || how.append, ..how };
        Ok(Self { tree, parent, name, how, inode, replaced, progress })
    }

    fn end(&self) -> Result<SetAttributes, Fault> {
        let mut progress = self.progress.lock();
        if std::mem::replace(&mut progress.ended, true) {
            return Err(Fault::failed("upload has ended"));
        }
        Ok(progress.times)
    }

    fn is_in_place(&self) -> bool {
        self.how.mode == WriteMode::Direct || (self.how.append && self.replaced.is_some())
    }

    fn publish(&self) -> Result<(), Fault> {
        if self.is_in_place() {
            return Ok(());
        }
        let mut tree = self.tree.lock();
        match tree.child(self.parent, &self.name) {
            Ok(old) if tree.directory(old).is_ok() => {
                return Err(fault(FaultKind::IsADirectory, "is a directory"));
            }
            Ok(_) if self.how.exclusive => {
                return Err(fault(FaultKind::AlreadyExists, "file already exists"));
            }
            Ok(_) => {
                let old = tree.unlink(self.parent, &self.name)?;
                tree.count_name(old, false)?;
            }
            Err(_) => {}
        }
        tree.link(self.parent, &self.name, self.inode)
    }

    fn abort_now(&self) -> Result<(), Fault> {
        self.end()?;
        match self.how.mode {
            WriteMode::Direct | WriteMode::Atomic => Ok(()),
            WriteMode::AtomicKeepPart => self.publish(),
        }
    }
}

impl Drop for MemoryWriter {
    fn drop(&mut self) {
        // Ended already, or in the way of a directory: nothing is left to do.
        let _ = self.abort_now();
    }
}

#[async_trait]
impl WriteHandle for MemoryWriter {
    async fn write_at(&self, offset: u64, data: Vec<Bytes>) -> Result<(), Fault> {
        if self.how.append {
            return self.append(data).await.map(drop);
        }
        let mut tree = self.tree.lock();
        let mut position = offset;
        for slice in data {
            tree.write(self.inode, position, &slice)?;
            position = position.saturating_add(slice.len() as u64);
        }
        Ok(())
    }

    async fn append(&self, data: Vec<Bytes>) -> Result<usize, Fault> {
        let mut tree = self.tree.lock();
        let end = tree.file(self.inode)?.len() as u64;
        let all = data.concat();
        tree.write(self.inode, end, &all)?;
        Ok(all.len())
    }

    async fn read_at(&self, offset: u64, length: usize, buffer: Vec<u8>) -> Result<Vec<u8>, Fault> {
        if !self.how.read {
            return Err(Fault::unsupported("not open for reading"));
        }
        read(&self.tree, self.inode, offset, length, buffer)
    }

    async fn stat(&self) -> Result<Metadata, Fault> {
        self.tree.lock().metadata(self.inode)
    }

    async fn set_attributes(&self, set: SetAttributes) -> Result<(), Fault> {
        self.tree.lock().set(self.inode, &set)?;
        let times = &mut self.progress.lock().times;
        times.accessed = set.accessed.or(times.accessed);
        times.modified = set.modified.or(times.modified);
        Ok(())
    }

    async fn sync(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn finish(&self) -> Result<(), Fault> {
        let times = self.end()?;
        self.tree.lock().set(self.inode, &times)?;
        self.publish()
    }

    async fn abort(&self) -> Result<(), Fault> {
        self.abort_now()
    }

    async fn discard(&self) -> Result<(), Fault> {
        self.end().map(drop)
    }

    fn replaced(&self) -> Option<u64> {
        self.replaced
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An open directory: its names when it was opened.
#[derive(Debug)]
pub(super) struct MemoryListing {
    tree: SharedTree,
    names: std::vec::IntoIter<(Vec<u8>, Inode)>,
}

impl MemoryListing {
    pub(super) fn new(tree: SharedTree, names: Vec<(Vec<u8>, Inode)>) -> Self {
        Self { tree, names: names.into_iter() }
    }
}

#[async_trait]
impl Listing for MemoryListing {
    async fn next(&mut self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault> {
        let tree = self.tree.lock();
        let batch = self.names.by_ref().take(most);
        let entries: Result<Vec<_>, Fault> = batch
            .map(|(name, inode)| Ok((name, tree.metadata(inode).map_err(|_| missing())?)))
            .collect();
        entries
    }
}
