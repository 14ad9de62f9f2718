//! An open directory, read in batches: a million entries take as much memory as a thousand.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::Fault;
use rustix::fs::{AtFlags, RawDir};

use super::fault::fault;
use super::root::Root;
use super::stat::metadata;
use crate::{Listing, Metadata};

/// Room for the names of one call: about 400 of them, whose attributes take well under a
/// millisecond of a shared thread.
const NAMES: usize = 16 * 1024;

/// A directory open for listing.
#[derive(Debug)]
pub(super) struct Lister {
    root: Arc<Root>,
    /// Away while the pool works on it.
    pages: Option<Pages>,
}

impl Lister {
    pub(super) fn new(directory: OwnedFd, root: Arc<Root>) -> Self {
        let pages = Pages { directory, buffer: Vec::new(), ready: VecDeque::new(), ended: false };
        Self { root, pages: Some(pages) }
    }
}

#[async_trait]
impl Listing for Lister {
    async fn next(&mut self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault> {
        // Missing after a call was dropped half way: what it had read is lost.
        let mut pages =
            self.pages.take().ok_or_else(|| Fault::failed("listing was interrupted"))?;
        let (pages, batch) = if self.root.io_policy().asks_inline() {
            let batch = pages.take(most);
            (pages, batch)
        } else {
            let work = move || {
                let batch = pages.take(most);
                Ok((pages, batch))
            };
            self.root.io_policy().on_pool(work).await?
        };
        self.pages = Some(pages);
        batch
    }
}

#[derive(Debug)]
struct Pages {
    directory: OwnedFd,
    buffer: Vec<u8>,
    ready: VecDeque<(Vec<u8>, Metadata)>,
    ended: bool,
}

impl Pages {
    fn take(&mut self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault> {
        while self.ready.is_empty() && !self.ended {
            self.fill()?;
        }
        let count = most.min(self.ready.len());
        Ok(self.ready.drain(..count).collect())
    }

    /// Reads the names of one system call, and their attributes.
    fn fill(&mut self) -> Result<(), Fault> {
        self.buffer.reserve(NAMES);
        let mut names = RawDir::new(&self.directory, self.buffer.spare_capacity_mut());
        self.ended = true;
        while let Some(name) = names.next() {
            self.ended = false;
            let name = name.map_err(fault)?;
            let name = name.file_name();
            if !matches!(name.to_bytes(), b"." | b"..") {
                // Removed in between, or not to be seen: left out.
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                if let Ok(stat) = rustix::fs::statat(&self.directory, name, flags) {
                    self.ready.push_back((name.to_bytes().to_vec(), metadata(&stat)));
                }
            }
            if names.is_buffer_empty() {
                break;
            }
        }
        Ok(())
    }
}
