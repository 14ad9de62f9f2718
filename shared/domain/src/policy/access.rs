//! Whether an account may do something with a path. The one place that picks the governing
//! directory, so that SFTP, SCP and commands cannot differ.

use super::extensions::ExtensionRules;
use crate::permission::{Permission, PermissionSet};
use crate::{Account, Fault, Operation, StorageProvider, VirtualPath};

/// The permissions, filters and virtual folders of an account, prepared for decisions.
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    permissions: Vec<(VirtualPath, PermissionSet)>,
    extensions: ExtensionRules,
    folders: Vec<VirtualPath>,
}

/// Where the permissions of an operation are looked up.
enum Governing {
    /// The path itself, or its nearest ancestor with an entry.
    Itself,
    /// The directory that holds the path.
    Parent,
}

impl AccessPolicy {
    /// Prepares the rules of an account. What cannot be parsed grants nothing.
    pub fn of(account: &Account) -> Self {
        let parse = |path: &str| VirtualPath::parse(path.as_bytes()).ok();
        let mut permissions: Vec<_> = account
            .permissions
            .iter()
            .filter_map(|(path, names)| {
                Some((parse(path)?, PermissionSet::from_names(names.iter().map(String::as_str))))
            })
            .collect();
        permissions.sort_by_key(|(path, _)| std::cmp::Reverse(path.as_bytes().len()));
        let folders = match account.filesystem.provider {
            StorageProvider::Local => {
                account.virtual_folders.iter().filter_map(|f| parse(&f.virtual_path)).collect()
            }
            StorageProvider::S3 | StorageProvider::Gcs => Vec::new(),
        };
        Self { permissions, extensions: ExtensionRules::of(account), folders }
    }

    /// Returns what may be done in a directory: the nearest ancestor with an entry, alone.
    pub fn permissions_at(&self, directory: &VirtualPath) -> PermissionSet {
        self.permissions
            .iter()
            .find(|(path, _)| directory.starts_with(path))
            .map_or(PermissionSet::NONE, |(_, set)| *set)
    }

    /// Tells whether every operation is allowed everywhere, so that links need no second look.
    pub fn is_uniform(&self) -> bool {
        self.permissions.len() == 1 && self.extensions.is_empty() && self.folders.is_empty()
    }

    /// Returns the virtual folders.
    pub fn folders(&self) -> &[VirtualPath] {
        &self.folders
    }

    /// Decides whether an operation is allowed.
    ///
    /// # Errors
    /// `PermissionDenied`; `IsADirectory` when a virtual folder is removed as a file.
    pub fn check(&self, operation: Operation, path: &VirtualPath) -> Result<(), Fault> {
        self.check_protected(operation, path)?;
        if !self.permissions_at(&governing(operation, path)).has_all(needed(operation)) {
            return Err(Fault::denied());
        }
        if concerns_content(operation) { self.check_name(path) } else { Ok(()) }
    }

    /// Decides whether an operation is allowed at a path that links have led to. A filter judges a
    /// link by the name of what it leads to as well.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_behind_links(
        &self,
        operation: Operation,
        asked: &VirtualPath,
        found: &VirtualPath,
    ) -> Result<(), Fault> {
        self.check(operation, found)?;
        match found.file_name() {
            Some(name) if concerns_content(operation) => {
                self.check_name(&asked.directory().child(name))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Tells whether the account has extension filters.
    pub fn has_filters(&self) -> bool {
        !self.extensions.is_empty()
    }

    /// Tells whether files in a directory are under a filter.
    pub fn is_filtered(&self, directory: &VirtualPath) -> bool {
        self.extensions.any_above(directory)
    }

    /// Tells whether files in two directories are under the same filter, or under none.
    pub fn same_filter(&self, one: &VirtualPath, other: &VirtualPath) -> bool {
        self.extensions.same(one, other)
    }

    /// Decides whether the filters allow a file of this path.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub fn check_name(&self, file: &VirtualPath) -> Result<(), Fault> {
        if self.extensions.allow(file) {
            Ok(())
        } else {
            Err(Fault::denied().context("file extension not allowed"))
        }
    }

    /// Tells whether every one of these permissions is granted at a path and everywhere below.
    pub fn grants_below(&self, path: &VirtualPath, permissions: &[Permission]) -> bool {
        self.permissions_at(path).has_all(permissions)
            && self
                .permissions
                .iter()
                .filter(|(entry, _)| entry.starts_with(path))
                .all(|(_, set)| set.has_all(permissions))
    }

    /// Tells whether a filter exists at or below a directory, or governs it.
    pub fn has_extension_filter(&self, directory: &VirtualPath) -> bool {
        self.extensions.any_below(directory) || self.extensions.any_above(directory)
    }

    fn check_protected(&self, operation: Operation, path: &VirtualPath) -> Result<(), Fault> {
        let protected = path.is_root() || self.folders.contains(path);
        match operation {
            Operation::RemoveFile if protected => {
                Err(Fault::new(crate::FaultKind::IsADirectory, "is a directory"))
            }
            Operation::RemoveDirectory | Operation::MakeDirectory | Operation::MakeLink
                if self.folders.contains(path) =>
            {
                Err(Fault::denied())
            }
            Operation::RemoveDirectory | Operation::RenameSource { .. } if path.is_root() => {
                Err(Fault::denied())
            }
            Operation::RenameSource { directory } | Operation::RenameTarget { directory, .. } => {
                self.check_rename(path, protected, directory)
            }
            _ => Ok(()),
        }
    }

    /// A directory that carries rules or folders below it stays where it is: moving it would
    /// move its entries out of their rules.
    fn check_rename(
        &self,
        path: &VirtualPath,
        protected: bool,
        directory: bool,
    ) -> Result<(), Fault> {
        let carries_rules = directory
            && (self.folders.iter().any(|folder| folder.starts_with(path))
                || self.permissions.iter().any(|(entry, _)| entry.starts_with(path))
                || self.extensions.any_below(path));
        if protected || carries_rules { Err(Fault::denied()) } else { Ok(()) }
    }
}

/// Returns the directory whose permissions decide.
fn governing(operation: Operation, path: &VirtualPath) -> VirtualPath {
    let place = match operation {
        Operation::ListDirectory | Operation::Hash => Governing::Itself,
        Operation::ChangeMode { directory }
        | Operation::ChangeOwner { directory }
        | Operation::ChangeTimes { directory } => {
            if directory {
                Governing::Parent
            } else {
                Governing::Itself
            }
        }
        Operation::Stat
        | Operation::ReadLink
        | Operation::Download
        | Operation::Upload
        | Operation::Overwrite
        | Operation::RemoveFile
        | Operation::RemoveDirectory
        | Operation::RenameSource { .. }
        | Operation::RenameTarget { .. }
        | Operation::MakeDirectory
        | Operation::MakeLink => Governing::Parent,
    };
    match place {
        Governing::Itself => path.clone(),
        Governing::Parent => path.directory(),
    }
}

/// Returns the permissions that an operation needs, all of them.
fn needed(operation: Operation) -> &'static [Permission] {
    match operation {
        Operation::ListDirectory | Operation::Stat | Operation::ReadLink | Operation::Hash => {
            &[Permission::List]
        }
        Operation::Download => &[Permission::Download],
        Operation::Upload => &[Permission::Upload],
        Operation::Overwrite => &[Permission::Overwrite, Permission::Upload],
        Operation::RemoveFile | Operation::RemoveDirectory => &[Permission::Delete],
        Operation::RenameSource { .. } | Operation::RenameTarget { replaces: false, .. } => {
            &[Permission::Rename]
        }
        Operation::RenameTarget { replaces: true, .. } => {
            &[Permission::Rename, Permission::Overwrite]
        }
        Operation::MakeDirectory => &[Permission::CreateDirs],
        Operation::MakeLink => &[Permission::CreateSymlinks],
        Operation::ChangeMode { .. } => &[Permission::Chmod],
        Operation::ChangeOwner { .. } => &[Permission::Chown],
        Operation::ChangeTimes { .. } => &[Permission::Chtimes],
    }
}

/// Tells whether extension filters apply: the operation is about a file's content or name.
fn concerns_content(operation: Operation) -> bool {
    matches!(
        operation,
        Operation::Download
            | Operation::Upload
            | Operation::Overwrite
            | Operation::RemoveFile
            | Operation::Hash
            | Operation::RenameSource { directory: false }
            | Operation::RenameTarget { directory: false, .. }
    )
}

#[cfg(test)]
mod tests;
