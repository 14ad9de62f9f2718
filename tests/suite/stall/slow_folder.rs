//! A file system in this process whose every call waits while it is stalled, as a network file
//! system does whose server is gone. It has one level of files that swallow what is written.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BackgroundSession, FileAttr, FileType, Filesystem, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyWrite, Request, TimeOrNow,
};
use parking_lot::{Condvar, Mutex};

const FORGET_AT_ONCE: Duration = Duration::ZERO;
const NO_ENTRY: i32 = 2;

/// Open or closed, and how many calls wait before it.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<(bool, usize)>,
    changed: Condvar,
}

impl Gate {
    fn pass(&self) {
        let mut state = self.state.lock();
        state.1 += 1;
        self.changed.wait_while(&mut state, |(closed, _)| *closed);
        state.1 -= 1;
    }

    fn set(&self, closed: bool) {
        self.state.lock().0 = closed;
        self.changed.notify_all();
    }
}

/// A mounted folder that can be stalled; unmounted when dropped.
#[derive(Debug)]
pub struct SlowFolder {
    gate: Arc<Gate>,
    /// Ends with the value.
    _session: BackgroundSession,
}

impl SlowFolder {
    /// Mounts one; `None`, with the reason printed, where that cannot be done.
    pub fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let gate = Arc::new(Gate::default());
        let files = Files { gate: gate.clone(), names: BTreeMap::new(), sizes: vec![0; 2] };
        match fuser::spawn_mount2(files, folder, &[]) {
            Ok(session) => Some(Self { gate, _session: session }),
            Err(error) => {
                println!("skipped: no FUSE file system can be mounted: {error}");
                None
            }
        }
    }

    /// From now on every call waits.
    pub fn stall(&self) {
        self.gate.set(true);
    }

    /// Lets the calls go on.
    pub fn release(&self) {
        self.gate.set(false);
    }

    /// Tells whether a call is waiting now.
    pub fn holds_a_call(&self) -> bool {
        let state = self.gate.state.lock();
        state.0 && state.1 > 0
    }
}

impl Drop for SlowFolder {
    fn drop(&mut self) {
        self.release();
    }
}

#[derive(Debug)]
struct Files {
    gate: Arc<Gate>,
    names: BTreeMap<Vec<u8>, u64>,
    /// By number of the inode; the root is 1.
    sizes: Vec<u64>,
}

impl Files {
    fn attributes(&self, inode: u64) -> Option<FileAttr> {
        let size = *self.sizes.get(usize::try_from(inode).unwrap())?;
        let (kind, perm) =
            if inode == 1 { (FileType::Directory, 0o777) } else { (FileType::RegularFile, 0o666) };
        Some(FileAttr {
            ino: inode,
            size,
            blocks: 0,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        })
    }
}

impl Filesystem for Files {
    fn lookup(&mut self, _: &Request<'_>, _: u64, name: &OsStr, reply: ReplyEntry) {
        self.gate.pass();
        let inode = self.names.get(name.as_encoded_bytes());
        match inode.and_then(|inode| self.attributes(*inode)) {
            Some(attributes) => reply.entry(&FORGET_AT_ONCE, &attributes, 0),
            None => reply.error(NO_ENTRY),
        }
    }

    fn getattr(&mut self, _: &Request<'_>, inode: u64, _: Option<u64>, reply: ReplyAttr) {
        self.gate.pass();
        match self.attributes(inode) {
            Some(attributes) => reply.attr(&FORGET_AT_ONCE, &attributes),
            None => reply.error(NO_ENTRY),
        }
    }

    fn setattr(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<std::time::SystemTime>,
        _: Option<u64>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<std::time::SystemTime>,
        _: Option<u32>,
        reply: ReplyAttr,
    ) {
        self.gate.pass();
        if let Some(size) = size {
            self.sizes[usize::try_from(inode).unwrap()] = size;
        }
        reply.attr(&FORGET_AT_ONCE, &self.attributes(inode).unwrap());
    }

    fn create(
        &mut self,
        _: &Request<'_>,
        _: u64,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        self.gate.pass();
        let inode = self.sizes.len() as u64;
        self.sizes.push(0);
        self.names.insert(name.as_encoded_bytes().to_vec(), inode);
        reply.created(&FORGET_AT_ONCE, &self.attributes(inode).unwrap(), 0, 0, 0);
    }

    fn read(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _: u64,
        offset: i64,
        size: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyData,
    ) {
        self.gate.pass();
        let end = self.sizes[usize::try_from(inode).unwrap()];
        let left = end.saturating_sub(u64::try_from(offset).unwrap()).min(u64::from(size));
        reply.data(&vec![0; usize::try_from(left).unwrap()]);
    }

    fn write(
        &mut self,
        _: &Request<'_>,
        inode: u64,
        _: u64,
        offset: i64,
        data: &[u8],
        _: u32,
        _: i32,
        _: Option<u64>,
        reply: ReplyWrite,
    ) {
        self.gate.pass();
        let end = u64::try_from(offset).unwrap() + data.len() as u64;
        let size = &mut self.sizes[usize::try_from(inode).unwrap()];
        *size = end.max(*size);
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn flush(&mut self, _: &Request<'_>, _: u64, _: u64, _: u64, reply: ReplyEmpty) {
        self.gate.pass();
        reply.ok();
    }

    fn readdir(&mut self, _: &Request<'_>, _: u64, _: u64, offset: i64, mut reply: ReplyDirectory) {
        self.gate.pass();
        let entries = self.names.iter().enumerate();
        for (number, (name, inode)) in entries.skip(usize::try_from(offset).unwrap()) {
            let next = i64::try_from(number + 1).unwrap();
            // Names of this file system come from tests and are UTF-8.
            let name = String::from_utf8_lossy(name).into_owned();
            if reply.add(*inode, next, FileType::RegularFile, name) {
                break;
            }
        }
        reply.ok();
    }
}
