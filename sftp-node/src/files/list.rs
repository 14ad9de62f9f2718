//! Listing of directories.

use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{Links, Listing, Metadata, ResolvedPath};
use tokio::sync::Mutex;

use super::UserFiles;
use super::audit::Act;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    files: UserFiles,
    rest: Mutex<Rest>,
    path: VirtualPath,
}

/// What has not been listed yet.
#[derive(Debug)]
struct Rest {
    dots: Vec<(Vec<u8>, Metadata)>,
    listing: Box<dyn Listing>,
}

impl UserFiles {
    pub(super) async fn try_open_directory(&self, raw: &[u8]) -> Result<Directory, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::ListDirectory, &path)?;
        let resolved = self.resolve(&permit, Links::Follow).await?;
        let listing = resolved.list().await?;
        let dots = self.dots(resolved.as_ref(), &path).await;
        Ok(Directory { files: self.clone(), rest: Mutex::new(Rest { dots, listing }), path })
    }

    /// Returns `.` and `..`, as far as they are there and may be asked for: some clients take a
    /// listing without any entry for a failure. The way up ends at the account's root. It is not
    /// asked for where that may take long, since it may be on another disk: `..` looks like `.` then.
    async fn dots(&self, here: &dyn ResolvedPath, path: &VirtualPath) -> Vec<(Vec<u8>, Metadata)> {
        let metadata = here.stat().await.ok();
        let above = match self.stats_at_once() {
            true => self.listed(&path.directory(), Links::Follow).await.ok(),
            false => metadata,
        };
        let entries = [(".", metadata), ("..", above)];
        let found = entries.into_iter().filter_map(|(name, metadata)| Some((name, metadata?)));
        found.map(|(name, metadata)| (name.as_bytes().to_vec(), metadata)).collect()
    }
}

impl Directory {
    /// Returns up to `most` further entries, none at the end; `.` and `..` come first.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn next(&self, most: usize) -> Result<Vec<(Vec<u8>, Metadata)>, Fault> {
        let mut rest = self.rest.lock().await;
        let mut entries = std::mem::take(&mut rest.dots);
        let more = rest.listing.next(most.saturating_sub(entries.len())).await;
        entries.extend(self.files.told(Act::List, self.path.as_bytes(), more)?);
        Ok(entries)
    }

    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }
}
