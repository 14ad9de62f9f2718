//! Nodes by number, as inodes: directories name them, resolved paths and open files hold numbers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::{Fault, FaultKind, VirtualPath};
use parking_lot::{Mutex, MutexGuard};

use crate::circles::circle;
use crate::{FileId, FileKind, LinkTarget, Links, Metadata, SetAttributes};

/// Number of a node.
pub(super) type Inode = u64;
/// The top directory.
pub(super) const TOP: Inode = 1;
/// As many links as Linux follows.
const MOST_LINKS: u32 = 40;
/// Bytes that one file may have unless said otherwise.
pub(super) const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What a node holds.
#[derive(Debug)]
pub(super) enum Content {
    File(Vec<u8>),
    Directory(BTreeMap<Vec<u8>, Inode>),
    Link(LinkTarget),
}

/// A file, directory or link.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) content: Content,
    pub(super) permissions: u32,
    uid: u32,
    gid: u32,
    links: u64,
    accessed: i64,
    modified: i64,
}

/// All nodes of a storage.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: HashMap<Inode, Node>,
    last: Inode,
    /// No other storage has this number: files of two are never taken for one.
    device: u64,
    /// Bytes that one file may have.
    most_bytes: u64,
}

/// A tree that handles and resolved paths share. Nothing is awaited while it is locked.
#[derive(Clone, Debug)]
pub(super) struct SharedTree(Arc<Mutex<Tree>>);

impl SharedTree {
    pub(super) fn new(tree: Tree) -> Self {
        Self(Arc::new(Mutex::new(tree)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tree> {
        self.0.lock()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

pub(super) fn fault(kind: FaultKind, text: &'static str) -> Fault {
    Fault::new(kind, text)
}

pub(super) fn missing() -> Fault {
    Fault::not_found("no such file")
}

fn exists() -> Fault {
    fault(FaultKind::AlreadyExists, "file already exists")
}

impl Tree {
    pub(super) fn new(most_bytes: u64) -> Self {
        static DEVICES: AtomicU64 = AtomicU64::new(0);
        let device = DEVICES.fetch_add(1, Ordering::Relaxed);
        let mut tree = Self { nodes: HashMap::new(), last: 0, device, most_bytes };
        tree.add(Content::Directory(BTreeMap::new()), 0o755);
        tree
    }

    /// Adds a node that nothing names yet.
    pub(super) fn add(&mut self, content: Content, permissions: u32) -> Inode {
        self.last += 1;
        let now = now();
        let node = Node {
            content,
            permissions: permissions & 0o777,
            uid: 0,
            gid: 0,
            links: 1,
            accessed: now,
            modified: now,
        };
        self.nodes.insert(self.last, node);
        self.last
    }

    pub(super) fn node(&self, inode: Inode) -> Result<&Node, Fault> {
        self.nodes.get(&inode).ok_or_else(missing)
    }

    pub(super) fn node_mut(&mut self, inode: Inode) -> Result<&mut Node, Fault> {
        self.nodes.get_mut(&inode).ok_or_else(missing)
    }

    /// Returns the entries of a directory.
    pub(super) fn directory(&self, inode: Inode) -> Result<&BTreeMap<Vec<u8>, Inode>, Fault> {
        match &self.node(inode)?.content {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) | Content::Link(_) => {
                Err(fault(FaultKind::NotADirectory, "not a directory"))
            }
        }
    }

    fn directory_mut(&mut self, inode: Inode) -> Result<&mut BTreeMap<Vec<u8>, Inode>, Fault> {
        match &mut self.node_mut(inode)?.content {
            Content::Directory(entries) => Ok(entries),
            Content::File(_) | Content::Link(_) => {
                Err(fault(FaultKind::NotADirectory, "not a directory"))
            }
        }
    }

    /// Returns the node that a directory names.
    pub(super) fn child(&self, directory: Inode, name: &[u8]) -> Result<Inode, Fault> {
        check_name(name)?;
        self.directory(directory)?.get(name).copied().ok_or_else(missing)
    }

    /// Names a node in a directory.
    pub(super) fn link(
        &mut self,
        directory: Inode,
        name: &[u8],
        inode: Inode,
    ) -> Result<(), Fault> {
        check_name(name)?;
        // A directory that was removed takes nothing.
        if self.node(directory)?.links == 0 {
            return Err(missing());
        }
        let entries = self.directory_mut(directory)?;
        if entries.contains_key(name) {
            return Err(exists());
        }
        entries.insert(name.to_vec(), inode);
        Ok(())
    }

    /// Takes a name away; the node stays for those who have it open.
    pub(super) fn unlink(&mut self, directory: Inode, name: &[u8]) -> Result<Inode, Fault> {
        self.directory_mut(directory)?.remove(name).ok_or_else(missing)
    }

    /// Counts one name more or less of a node.
    pub(super) fn count_name(&mut self, inode: Inode, added: bool) -> Result<(), Fault> {
        let links = &mut self.node_mut(inode)?.links;
        *links = if added { links.saturating_add(1) } else { links.saturating_sub(1) };
        Ok(())
    }

    /// Tells whether a node is a directory or lies below it.
    pub(super) fn is_below(&self, inode: Inode, top: Inode) -> bool {
        let mut pending = vec![top];
        while let Some(next) = pending.pop() {
            if next == inode {
                return true;
            }
            if let Ok(entries) = self.directory(next) {
                pending.extend(entries.values());
            }
        }
        false
    }

    /// Finds the directory that holds what a path names, and the path after links.
    pub(super) fn resolve(
        &self,
        path: &VirtualPath,
        links: Links,
    ) -> Result<(Inode, VirtualPath), Fault> {
        let mut path = path.clone();
        for _ in 0..=MOST_LINKS {
            match self.step(&path, links)? {
                Ok(parent) => return Ok((parent, path)),
                Err(elsewhere) => path = elsewhere,
            }
        }
        Err(circle())
    }

    /// Walks until the end or the first link; returns the path that this one makes of it.
    fn step(&self, path: &VirtualPath, links: Links) -> Result<Result<Inode, VirtualPath>, Fault> {
        let names: Vec<&[u8]> = path.components().collect();
        let mut directory = TOP;
        for (index, name) in names.iter().enumerate() {
            let rest = names.get(index + 1..).unwrap_or_default();
            let child = match self.child(directory, name) {
                Ok(child) => child,
                Err(error) if rest.is_empty() && error.kind() == FaultKind::NotFound => {
                    return Ok(Ok(directory));
                }
                Err(error) => return Err(error),
            };
            if rest.is_empty() && links == Links::Keep {
                return Ok(Ok(directory));
            }
            if let Content::Link(target) = &self.node(child)?.content {
                let here = names
                    .iter()
                    .take(index)
                    .fold(VirtualPath::root(), |path, name| path.child(name));
                return Ok(Err(target.from_directory(&here)?.join(&rest.join(&b'/'))?));
            }
            if rest.is_empty() {
                return Ok(Ok(directory));
            }
            directory = child;
            self.directory(directory)?;
        }
        Ok(Ok(directory))
    }

    /// Returns the attributes of a node.
    pub(super) fn metadata(&self, inode: Inode) -> Result<Metadata, Fault> {
        let node = self.node(inode)?;
        let (kind, size, kind_bits) = match &node.content {
            Content::File(data) => (FileKind::File, data.len() as u64, 0o100_000),
            Content::Directory(_) => (FileKind::Directory, 0, 0o040_000),
            Content::Link(target) => (FileKind::Symlink, target.as_bytes().len() as u64, 0o120_000),
        };
        Ok(Metadata {
            kind,
            size,
            mode: kind_bits | node.permissions,
            uid: node.uid,
            gid: node.gid,
            links: node.links,
            accessed: node.accessed,
            modified: node.modified,
            file_id: FileId { device: self.device, inode },
        })
    }

    /// Sets attributes of a node.
    pub(super) fn set(&mut self, inode: Inode, set: &SetAttributes) -> Result<(), Fault> {
        if let Some(size) = set.size {
            self.resize(inode, size)?;
        }
        let node = self.node_mut(inode)?;
        if let Some(permissions) = set.permissions {
            node.permissions = permissions & 0o777;
        }
        node.uid = set.uid.unwrap_or(node.uid);
        node.gid = set.gid.unwrap_or(node.gid);
        node.accessed = set.accessed.map_or(node.accessed, seconds);
        node.modified = set.modified.map_or(node.modified, seconds);
        Ok(())
    }

    fn within_bounds(&self, size: u64) -> Result<usize, Fault> {
        usize::try_from(size)
            .ok()
            .filter(|_| size <= self.most_bytes)
            .ok_or_else(|| Fault::failed("file is too large"))
    }

    /// Gives a file a size.
    pub(super) fn resize(&mut self, inode: Inode, size: u64) -> Result<(), Fault> {
        let size = self.within_bounds(size)?;
        self.file_mut(inode)?.resize(size, 0);
        Ok(())
    }

    /// Returns the bytes of a file.
    pub(super) fn file(&self, inode: Inode) -> Result<&Vec<u8>, Fault> {
        match &self.node(inode)?.content {
            Content::File(data) => Ok(data),
            Content::Directory(_) => Err(fault(FaultKind::IsADirectory, "is a directory")),
            Content::Link(_) => Err(Fault::failed("not a regular file")),
        }
    }

    pub(super) fn file_mut(&mut self, inode: Inode) -> Result<&mut Vec<u8>, Fault> {
        match &mut self.node_mut(inode)?.content {
            Content::File(data) => Ok(data),
            Content::Directory(_) => Err(fault(FaultKind::IsADirectory, "is a directory")),
            Content::Link(_) => Err(Fault::failed("not a regular file")),
        }
    }

    /// Writes bytes at an offset; a gap is filled with zeros.
    pub(super) fn write(&mut self, inode: Inode, offset: u64, bytes: &[u8]) -> Result<(), Fault> {
        let end = self.within_bounds(offset.saturating_add(bytes.len() as u64))?;
        let data = self.file_mut(inode)?;
        if data.len() < end {
            data.resize(end, 0);
        }
        if let Some(resolved) = data.get_mut(end - bytes.len()..end) {
            resolved.copy_from_slice(bytes);
        }
        self.node_mut(inode)?.modified = now();
        Ok(())
    }
}

fn check_name(name: &[u8]) -> Result<(), Fault> {
    if name.len() > 255 { Err(Fault::invalid("name is too long")) } else { Ok(()) }
}

fn now() -> i64 {
    seconds(SystemTime::now())
}

fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}
