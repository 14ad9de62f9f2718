//! The trait of a storage.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use ferryd_domain::{Fault, VirtualPath};

use crate::{Capabilities, ResolvedPath};

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// The path resolves to where the link leads.
    Follow,
    /// The path resolves to the link itself.
    Keep,
}

/// A place where files live.
#[async_trait]
pub trait Storage: fmt::Debug + Send + Sync + 'static {
    /// Returns what this storage can do.
    fn capabilities(&self) -> Capabilities;

    /// Tells whether attributes are there at once, without anything that a caller could wait for.
    fn answers_at_once(&self) -> bool {
        false
    }

    /// Resolves a path to an opened directory and a name in it. The last component need not exist, its
    /// parent must.
    /// What is found stays valid whatever happens to the path afterwards: every operation of a
    /// [`ResolvedPath`] works on descriptors (or keys), so there is no gap between check and use.
    ///
    /// # Errors
    /// `NotFound` when a parent is missing; `Failed` when a link leads out of the storage or in
    /// circles; `NotADirectory` when a parent is a file; `InvalidInput` for a name too long.
    async fn resolve(
        &self,
        path: &VirtualPath,
        links: Links,
    ) -> Result<Arc<dyn ResolvedPath>, Fault>;
}
