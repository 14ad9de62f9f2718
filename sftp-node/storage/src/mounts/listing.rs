//! The listing of a directory that virtual folders are shown in.

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use super::Mount;
use crate::{FileId, FileKind, Links, Listing, Metadata};

/// Shows the virtual folders first, then the entries of the directory that they do not hide.
#[derive(Debug)]
pub(super) struct MountedListing {
    inner: Box<dyn Listing>,
    shown: Vec<Mount>,
    /// How many of them have been shown.
    done: usize,
}

impl MountedListing {
    pub(super) fn new(inner: Box<dyn Listing>, shown: Vec<Mount>) -> Self {
        Self { inner, shown, done: 0 }
    }

    fn hides(&self, name: &[u8]) -> bool {
        self.shown.iter().any(|mount| mount.path.file_name() == Some(name))
    }
}

#[async_trait]
impl Listing for MountedListing {
    async fn next(&mut self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault> {
        let mut batch = Vec::new();
        while batch.len() < most
            && let Some(mount) = self.shown.get(self.done)
        {
            let name = mount.path.file_name().unwrap_or_default().to_vec();
            batch.push((name, attributes(mount).await));
            self.done += 1;
        }
        // An empty batch means the end, so one that was hidden whole is not handed out.
        while batch.is_empty() {
            batch = self.inner.next(most).await?;
            if batch.is_empty() {
                break;
            }
            batch.retain(|(name, _)| !self.hides(name));
        }
        Ok(batch)
    }
}

async fn attributes(mount: &Mount) -> Metadata {
    let Some(storage) = &mount.storage else { return missing() };
    match storage.resolve(&VirtualPath::root(), Links::Follow).await {
        Ok(resolved) => resolved.stat().await.unwrap_or_else(|_| missing()),
        Err(_) => missing(),
    }
}

/// What is shown of a folder whose directory is missing.
fn missing() -> Metadata {
    Metadata {
        kind: FileKind::Directory,
        size: 0,
        mode: 0o040_755,
        uid: 0,
        gid: 0,
        links: 1,
        accessed: 0,
        modified: 0,
        file_id: FileId::default(),
    }
}
