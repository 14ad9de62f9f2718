//! Extension filters and what has more names than its own: directories that are renamed with all they
//! hold, and links. Other programs, a web server for example, find a file by each of these names.

use std::sync::Arc;

use ferryd_domain::{Fault, FaultKind, VirtualPath};
use ferryd_storage::{FileKind, LinkTarget, Links, Metadata, ResolvedPath};

use super::UserFiles;
use super::permit::Permit;

/// Entries below a directory that are looked at before it is renamed.
const MOST_ENTRIES: usize = 100_000;
/// Entries that are asked for at once.
const BATCH: usize = 500;

/// A directory that is about to be renamed.
pub(super) struct Moved<'paths> {
    from: &'paths VirtualPath,
    /// Its paths before and after, with links on the way and without.
    names: Vec<&'paths VirtualPath>,
    to: &'paths VirtualPath,
}

impl UserFiles {
    /// Resolves a path again, under the lock of names: its directory may have been renamed into a
    /// filtered one meanwhile. Without filters nothing can have come of that.
    pub(super) async fn place_again(
        &self,
        permit: &Permit,
        links: Links,
    ) -> Result<Option<Arc<dyn ResolvedPath>>, Fault> {
        if self.shared.policy.has_filters() {
            self.resolve(permit, links).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Refuses to rename what the filters do not allow below its old or its new path.
    ///
    /// # Errors
    /// `PermissionDenied`, also for a directory too large to look at; those of the storage.
    pub(super) async fn filter_rename(
        &self,
        (from, source): (&VirtualPath, &dyn ResolvedPath),
        (to, target): (&VirtualPath, &dyn ResolvedPath),
        moved: &Metadata,
    ) -> Result<(), Fault> {
        if !self.shared.policy.has_filters() {
            return Ok(());
        }
        match moved.kind {
            FileKind::File | FileKind::Special => Ok(()),
            FileKind::Symlink => {
                let text = source.read_link().await?;
                self.filter_link(target.path(), &text, None).await?;
                self.filter_link(to, &text, None).await
            }
            FileKind::Directory => {
                let names = vec![from, source.path(), to, target.path()];
                let moved = Moved { from: source.path(), names, to: target.path() };
                self.filter_directory(&moved).await
            }
        }
    }

    async fn filter_directory(&self, moved: &Moved<'_>) -> Result<(), Fault> {
        if !moved.names.iter().any(|name| self.shared.policy.is_filtered(name)) {
            return Ok(());
        }
        let mut left = MOST_ENTRIES;
        let mut pending = vec![VirtualPath::root()];
        while let Some(directory) = pending.pop() {
            let resolved =
                self.shared.storage.resolve(&directory.below(moved.from), Links::Keep).await?;
            let mut listing = resolved.list().await?;
            loop {
                let batch = listing.next(BATCH).await?;
                if batch.is_empty() {
                    break;
                }
                left = left.checked_sub(batch.len()).ok_or_else(too_large)?;
                for (name, metadata) in batch {
                    let below = directory.child(&name);
                    match metadata.kind {
                        FileKind::Directory => pending.push(below),
                        FileKind::File | FileKind::Special => self.filter_names(moved, &below)?,
                        FileKind::Symlink => self.filter_link_below(moved, &below).await?,
                    }
                }
            }
        }
        Ok(())
    }

    fn filter_names(&self, moved: &Moved<'_>, below: &VirtualPath) -> Result<(), Fault> {
        let mut names = moved.names.iter().map(|name| below.below(name));
        names.try_for_each(|name| self.shared.policy.check_name(&name))
    }

    async fn filter_link_below(&self, moved: &Moved<'_>, below: &VirtualPath) -> Result<(), Fault> {
        self.filter_names(moved, below)?;
        let resolved = self.shared.storage.resolve(&below.below(moved.from), Links::Keep).await?;
        match resolved.read_link().await {
            Ok(text) => self.filter_link(&below.below(moved.to), &text, Some(moved)).await,
            // It leads outside, and is not followed from anywhere.
            Err(fault) if fault.kind() == FaultKind::Failed => Ok(()),
            Err(fault) => Err(fault),
        }
    }

    /// Refuses a symbolic link by its own name and by the name of what it leads to. A link to a
    /// directory gives other names to all that is and ever will be in it, so that must be under the
    /// filter of the link. `moved` will take what is below it along.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub(super) async fn filter_link(
        &self,
        link: &VirtualPath,
        text: &LinkTarget,
        moved: Option<&Moved<'_>>,
    ) -> Result<(), Fault> {
        let policy = &self.shared.policy;
        if !policy.has_filters() {
            return Ok(());
        }
        policy.check_name(link)?;
        // What leads above the root is never followed.
        let Ok(target) = text.from_directory(&link.directory()) else { return Ok(()) };
        let found = self.found_at(&target, moved).await;
        let (real, kind) = match &found {
            Some((real, metadata)) => (real, Some(metadata.kind)),
            None => (&target, None),
        };
        // What is missing may become a directory.
        let holds_names = matches!(kind, None | Some(FileKind::Directory));
        if holds_names && policy.is_filtered(link) && !policy.same_filter(link, real) {
            return Err(denied());
        }
        if kind == Some(FileKind::Directory) {
            return Ok(());
        }
        for named in [&target, real] {
            policy.check_name(named)?;
            if let Some(name) = named.file_name() {
                policy.check_name(&link.directory().child(name))?;
            }
        }
        Ok(())
    }

    /// Returns what a path will lead to once `moved` has been renamed, and where it will be.
    async fn found_at(
        &self,
        path: &VirtualPath,
        moved: Option<&Moved<'_>>,
    ) -> Option<(VirtualPath, Metadata)> {
        let inside = moved.and_then(|moved| Some((moved, path.strip_prefix(moved.to)?)));
        let now =
            inside.as_ref().map_or_else(|| path.clone(), |(moved, rest)| rest.below(moved.from));
        let resolved = self.shared.storage.resolve(&now, Links::Follow).await.ok()?;
        let metadata = resolved.stat().await.ok()?;
        let real = resolved.path();
        let after =
            inside.and_then(|(moved, _)| Some(real.strip_prefix(moved.from)?.below(moved.to)));
        Some((after.unwrap_or_else(|| real.clone()), metadata))
    }
}

fn denied() -> Fault {
    Fault::denied().context("a filter does not hold where the link leads")
}

fn too_large() -> Fault {
    Fault::denied().context("the directory holds too much to be looked at for a filter")
}
