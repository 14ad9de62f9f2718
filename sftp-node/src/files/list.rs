//! Listing of directories.

use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{Entry, Links, Listing};
use tokio::sync::Mutex;

use super::UserFiles;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Directory {
    listing: Mutex<Box<dyn Listing>>,
    path: VirtualPath,
}

impl UserFiles {
    /// Opens a directory for listing.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `NotADirectory`, `Failed`.
    pub async fn open_directory(&self, raw: &[u8]) -> Result<Directory, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::ListDirectory, &path)?;
        let place = self.place(&permit, Links::Follow).await?;
        let listing = Mutex::new(place.list().await?);
        Ok(Directory { listing, path })
    }
}

impl Directory {
    /// Returns up to `most` further entries, none at the end.
    ///
    /// # Errors
    /// `Failed`.
    pub async fn next(&self, most: usize) -> Result<Vec<(Vec<u8>, Entry)>, Fault> {
        self.listing.lock().await.next(most).await
    }

    /// Returns the path as the client named it.
    pub fn path(&self) -> &VirtualPath {
        &self.path
    }
}
