//! `LinkTarget`: what a symbolic link says, as a client sees it.

use ferryd_domain::virtual_path::MAX_LENGTH;
use ferryd_domain::{Fault, VirtualPath};

/// The target of a symbolic link. A relative one is kept as it was spelled (SSH_FXP_SYMLINK, draft
/// section 6.10, and symlink(7)): it is relative to the directory of the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkTarget {
    /// A path of the account.
    Absolute(VirtualPath),
    /// Any text that does not start with a slash.
    Relative(Vec<u8>),
}

impl LinkTarget {
    /// Takes a target from a client.
    ///
    /// # Errors
    /// `InvalidInput` for an empty one, a NUL byte or one that is too long.
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        match raw.first() {
            None => Err(Fault::invalid("a link needs a target")),
            Some(b'/') => VirtualPath::parse(raw).map(Self::Absolute),
            Some(_) if raw.contains(&0) => Err(Fault::invalid("path contains a NUL byte")),
            Some(_) if raw.len() >= MAX_LENGTH => Err(Fault::invalid("path is too long")),
            Some(_) => Ok(Self::Relative(raw.to_vec())),
        }
    }

    /// Returns the path that a link in `directory` leads to by its text alone; other links on the
    /// way are not looked at.
    ///
    /// # Errors
    /// `Failed` when a relative target climbs above the root, `InvalidInput` when the path gets too
    /// long.
    pub fn from_directory(&self, directory: &VirtualPath) -> Result<VirtualPath, Fault> {
        let text = match self {
            Self::Absolute(path) => return Ok(path.clone()),
            Self::Relative(text) => text,
        };
        let mut depth = directory.components().count();
        for component in text.split(|byte| *byte == b'/') {
            depth = match component {
                b"" | b"." => depth,
                b".." => depth.checked_sub(1).ok_or_else(outside)?,
                _ => depth.saturating_add(1),
            };
        }
        directory.join(text)
    }

    /// Returns the text as a client reads it.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Absolute(path) => path.as_bytes(),
            Self::Relative(text) => text,
        }
    }
}

fn outside() -> Fault {
    Fault::failed("link leads outside")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leads(directory: &str, target: &str) -> Option<String> {
        let directory = VirtualPath::parse(directory.as_bytes()).unwrap();
        let target = LinkTarget::parse(target.as_bytes()).unwrap();
        target.from_directory(&directory).ok().map(|path| path.to_text())
    }

    #[test]
    fn a_relative_target_starts_at_the_directory_and_never_climbs_above_the_root() {
        for (directory, target, path) in [
            ("/a/b", "c", Some("/a/b/c")),
            ("/a/b", "../c", Some("/a/c")),
            ("/a/b", "../..", Some("/")),
            ("/a/b", "../../..", None),
            ("/a/b", "../../../a/b/c", None),
            ("/", "./x/../y/", Some("/y")),
            ("/", "x/../..", None),
            ("/a", "/c/../d", Some("/d")),
            ("/a", "/..", Some("/")),
        ] {
            assert_eq!(leads(directory, target).as_deref(), path, "{directory} {target}");
        }
    }

    #[test]
    fn the_text_of_a_relative_target_is_kept() {
        for text in ["./a//b/", "..", "a"] {
            assert_eq!(LinkTarget::parse(text.as_bytes()).unwrap().as_bytes(), text.as_bytes());
        }
        for refused in [b"".as_slice(), b"a\0b", &[b'a'; 4096]] {
            assert!(LinkTarget::parse(refused).is_err());
        }
    }
}
