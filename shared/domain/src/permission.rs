//! `Permission` and `PermissionSet`: what may be done in a directory.

use std::fmt;

/// One right in a directory. The names are those of the account's JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Permission {
    /// See names and attributes.
    List = 1 << 0,
    /// Read files.
    Download = 1 << 1,
    /// Create files.
    Upload = 1 << 2,
    /// Change existing files; `Upload` is needed as well.
    Overwrite = 1 << 3,
    /// Remove files and directories.
    Delete = 1 << 4,
    /// Rename files and directories.
    Rename = 1 << 5,
    /// Make directories.
    CreateDirs = 1 << 6,
    /// Make symbolic and hard links.
    CreateSymlinks = 1 << 7,
    /// Change modes.
    Chmod = 1 << 8,
    /// Change owners.
    Chown = 1 << 9,
    /// Change times.
    Chtimes = 1 << 10,
}

/// The name that grants everything.
pub const ANY: &str = "*";

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 11] = [
        Self::List,
        Self::Download,
        Self::Upload,
        Self::Overwrite,
        Self::Delete,
        Self::Rename,
        Self::CreateDirs,
        Self::CreateSymlinks,
        Self::Chmod,
        Self::Chown,
        Self::Chtimes,
    ];

    /// Returns the name used in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Overwrite => "overwrite",
            Self::Delete => "delete",
            Self::Rename => "rename",
            Self::CreateDirs => "create_dirs",
            Self::CreateSymlinks => "create_symlinks",
            Self::Chmod => "chmod",
            Self::Chown => "chown",
            Self::Chtimes => "chtimes",
        }
    }

    /// Returns the permission with this name; [`ANY`] is not one of them.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PermissionSet(u16);

impl PermissionSet {
    /// The set that grants nothing.
    pub const NONE: Self = Self(0);
    /// The set that grants everything.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Returns the set of these names; unknown names grant nothing.
    pub fn from_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().fold(Self::NONE, |set, name| match Permission::from_name(name) {
            _ if name == ANY => Self::ALL,
            Some(permission) => set.with(permission),
            None => set,
        })
    }

    /// Returns this set with one more permission.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | permission as u16)
    }

    /// Tells whether the permission is granted.
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & permission as u16 != 0
    }

    /// Tells whether every one of these is granted.
    pub fn has_all(self, permissions: &[Permission]) -> bool {
        permissions.iter().all(|permission| self.has(*permission))
    }
}

impl fmt::Debug for PermissionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Permission::ALL.into_iter().filter(|p| self.has(*p)).map(Permission::name);
        f.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_grants_everything_and_unknown_names_nothing() {
        assert_eq!(PermissionSet::from_names(["list", "*"]), PermissionSet::ALL);
        assert_eq!(PermissionSet::from_names(["fly"]), PermissionSet::NONE);
        let all = Permission::ALL.map(Permission::name);
        assert_eq!(PermissionSet::from_names(all), PermissionSet::ALL);
    }
}
