//! From a client path to a descriptor of its parent: the one way into the storage. A path without
//! links is resolved by one openat2; one with links by a walk that opens each directory without
//! following and reads each link itself, so that whatever is swapped meanwhile, every step starts
//! from a directory below the root.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use ferryd_domain::{Fault, VirtualPath};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::cursor::{Cursor, Step, components};
use super::fault::fault;
use super::root::{DIRECTORY, PLAIN, Root};
use crate::Links;

/// As many links as Linux follows.
const MOST_LINKS: u32 = 40;
/// Bound on the work that hostile links can cause.
const MOST_STEPS: usize = 32_768;

/// The directory that holds a name.
#[derive(Clone, Debug)]
pub(super) enum Parent {
    /// The root itself, whose descriptor is open anyway.
    Root,
    /// A directory below it.
    Held(Arc<OwnedFd>),
}

impl Parent {
    /// Returns the descriptor.
    pub(super) fn descriptor<'all>(&'all self, root: &'all Root) -> BorrowedFd<'all> {
        match self {
            Self::Root => root.as_fd(),
            Self::Held(descriptor) => descriptor.as_fd(),
        }
    }
}

/// Where a path leads: a held directory, and the path whose last component is the name in it.
#[derive(Debug)]
pub(super) struct Found {
    /// The directory.
    pub(super) parent: Parent,
    /// The path after links.
    pub(super) path: VirtualPath,
}

/// Finds where a path leads.
///
/// # Errors
/// `NotFound` when a parent is missing, `NotADirectory` when one is a file, `Failed` when a link
/// leads outside or in circles.
pub(super) fn resolve(root: &Root, path: &VirtualPath, links: Links) -> Result<Found, Fault> {
    match without_links(root, path, links)? {
        Some(found) => Ok(found),
        None => Walk::new(root, path, links).run(),
    }
}

/// Tries the path as it is; `None` when there is a link in it.
fn without_links(root: &Root, path: &VirtualPath, links: Links) -> Result<Option<Found>, Fault> {
    let Some((directory, name)) = split(path) else {
        return Ok(Some(Found { parent: Parent::Root, path: path.clone() }));
    };
    let parent = if directory.is_empty() {
        Parent::Root
    } else if root.has_openat2() {
        match rustix::fs::openat2(root, directory, DIRECTORY, Mode::empty(), PLAIN) {
            Ok(descriptor) => Parent::Held(Arc::new(descriptor)),
            Err(Errno::LOOP | Errno::XDEV | Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(fault(errno)),
        }
    } else {
        return Ok(None);
    };
    match links {
        Links::Follow if link_at(parent.descriptor(root), name)?.is_some() => Ok(None),
        Links::Follow | Links::Keep => Ok(Some(Found { parent, path: path.clone() })),
    }
}

/// Returns the directory without leading slash, and the name; `None` for `/`.
fn split(path: &VirtualPath) -> Option<(&[u8], &[u8])> {
    let name = path.file_name()?;
    let bytes = path.as_bytes();
    let end = bytes.len() - name.len() - 1;
    Some((bytes.get(1..end).unwrap_or_default(), name))
}

/// Returns the text of a link, `None` when the name is none or is missing.
fn link_at(directory: BorrowedFd<'_>, name: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    let mut text = [const { std::mem::MaybeUninit::uninit() }; 4096];
    match rustix::fs::readlinkat_raw(directory, name, &mut text) {
        Ok((target, _)) => Ok(Some(target.to_vec())),
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(errno) => Err(fault(errno)),
    }
}

/// Opens a directory below the root by a path that may have no link in it.
pub(super) fn open_plain(root: &Root, relative: &[u8]) -> rustix::io::Result<OwnedFd> {
    if root.has_openat2() && relative.len() < 4096 {
        let relative: &[u8] = if relative.is_empty() { b"." } else { relative };
        return rustix::fs::openat2(root, relative, DIRECTORY, Mode::empty(), PLAIN);
    }
    let mut held = rustix::fs::openat(root, c".", DIRECTORY, Mode::empty())?;
    for name in components(relative) {
        held = rustix::fs::openat(&held, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    }
    Ok(held)
}

/// A walk along names and links.
struct Walk<'root> {
    root: &'root Root,
    cursor: Cursor<'root>,
    /// The directory that the cursor stands in; unknown after a step without a look at the disk.
    held: Option<Parent>,
    /// What is to be walked, last first.
    pending: Vec<Vec<u8>>,
    links: Links,
    links_left: u32,
    steps_left: usize,
}

impl<'root> Walk<'root> {
    fn new(root: &'root Root, path: &VirtualPath, links: Links) -> Self {
        Self {
            root,
            cursor: Cursor::at(root.names(), &VirtualPath::root()),
            held: Some(Parent::Root),
            pending: path.components().rev().map(<[u8]>::to_vec).collect(),
            links,
            links_left: MOST_LINKS,
            steps_left: MOST_STEPS,
        }
    }

    fn run(mut self) -> Result<Found, Fault> {
        while let Some(component) = self.pending.pop() {
            self.spend(1)?;
            match self.cursor.advance(&component)? {
                Step::Stayed => {}
                Step::Moved => self.held = None,
                Step::Name if self.pending.is_empty() => {
                    if let Some(found) = self.end(&component)? {
                        return Ok(found);
                    }
                }
                Step::Name => self.enter(&component)?,
            }
        }
        self.here()
    }

    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or_else(|| fault(Errno::LOOP))?;
        Ok(())
    }

    /// Goes into a directory, or along the link that stands in its place.
    fn enter(&mut self, name: &[u8]) -> Result<(), Fault> {
        let directory = self.directory()?;
        let here = directory.descriptor(self.root);
        match rustix::fs::openat(here, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(descriptor) => {
                self.cursor.push(name);
                self.held = Some(Parent::Held(Arc::new(descriptor)));
                Ok(())
            }
            Err(Errno::NOTDIR | Errno::LOOP) => match link_at(here, name)? {
                Some(target) => self.follow(&target),
                None => Err(fault(Errno::NOTDIR)),
            },
            Err(errno) => Err(fault(errno)),
        }
    }

    /// Takes the last name; `None` when it is a link that is followed.
    fn end(&mut self, name: &[u8]) -> Result<Option<Found>, Fault> {
        let parent = self.directory()?;
        if self.links == Links::Follow
            && let Some(target) = link_at(parent.descriptor(self.root), name)?
        {
            self.follow(&target)?;
            return Ok(None);
        }
        self.cursor.push(name);
        Ok(Some(Found { parent, path: self.cursor.path()? }))
    }

    fn follow(&mut self, target: &[u8]) -> Result<(), Fault> {
        self.links_left = self.links_left.checked_sub(1).ok_or_else(|| fault(Errno::LOOP))?;
        let spelled: Vec<&[u8]> = if target.first() == Some(&b'/') {
            self.held = None;
            self.cursor.restart(target)
        } else {
            components(target).collect()
        };
        self.pending.extend(spelled.into_iter().rev().map(<[u8]>::to_vec));
        Ok(())
    }

    /// Returns the directory that the cursor stands in, below the root.
    fn directory(&mut self) -> Result<Parent, Fault> {
        if self.cursor.is_root() {
            return Ok(Parent::Root);
        }
        if let Some(held) = &self.held {
            return Ok(held.clone());
        }
        let relative = self.cursor.relative();
        let depth = components(relative).count();
        let held = Parent::Held(Arc::new(open_plain(self.root, relative).map_err(fault)?));
        self.spend(if self.root.has_openat2() { 1 } else { depth })?;
        self.held = Some(held.clone());
        Ok(held)
    }

    /// Ends at the directory that the cursor stands in, as a link to `.` or `a/..` does.
    fn here(self) -> Result<Found, Fault> {
        let path = self.cursor.path()?;
        let Some((directory, _)) = split(&path) else {
            return Ok(Found { parent: Parent::Root, path });
        };
        if directory.is_empty() {
            return Ok(Found { parent: Parent::Root, path });
        }
        let parent = open_plain(self.root, directory).map_err(fault)?;
        Ok(Found { parent: Parent::Held(Arc::new(parent)), path })
    }
}
