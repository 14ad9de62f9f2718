//! `VirtualPath`: a path as the client sees it. Absolute, clean, never above `/`, any bytes.

use std::fmt;

use crate::Fault;

/// The longest path that is accepted, in bytes (`PATH_MAX` of Linux).
pub const MAX_LENGTH: usize = 4096;

/// A clean absolute path: no `.`, no `..`, no empty component, no trailing slash but in `/`.
/// Names are bytes, since SFTP version 3 has no character set.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualPath(Vec<u8>);

impl VirtualPath {
    /// Returns `/`.
    pub fn root() -> Self {
        Self(vec![b'/'])
    }

    /// Cleans a path from outside; a relative one starts at `/`, `..` stops at `/`.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL byte or a path above [`MAX_LENGTH`].
    pub fn parse(raw: &[u8]) -> Result<Self, Fault> {
        Self::root().join(raw)
    }

    /// Returns this path followed by `raw`, cleaned; an absolute `raw` replaces this path.
    ///
    /// # Errors
    /// `InvalidInput` for a NUL byte or a path above [`MAX_LENGTH`].
    pub fn join(&self, raw: &[u8]) -> Result<Self, Fault> {
        if raw.contains(&0) {
            return Err(Fault::invalid("path contains a NUL byte"));
        }
        if raw.len() > MAX_LENGTH {
            return Err(Fault::invalid("path is too long"));
        }
        let mut path = if raw.first() == Some(&b'/') { Self::root() } else { self.clone() };
        for component in raw.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path = path.parent().unwrap_or_else(Self::root),
                name => path.push(name),
            }
        }
        if path.0.len() > MAX_LENGTH {
            return Err(Fault::invalid("path is too long"));
        }
        Ok(path)
    }

    /// Returns this path with one more name. `name` is one component from a listing or a walk.
    #[must_use]
    pub fn child(&self, name: &[u8]) -> Self {
        let mut path = self.clone();
        path.push(name);
        path
    }

    fn push(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
    }

    /// Tells whether this is `/`.
    pub fn is_root(&self) -> bool {
        self.0.len() == 1
    }

    /// Returns the directory that holds this path, `None` for `/`.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end.max(1)).unwrap_or(b"/").to_vec()))
    }

    /// Returns the parent, or `/` for `/` itself: the directory whose rules govern an entry.
    pub fn directory(&self) -> Self {
        self.parent().unwrap_or_else(Self::root)
    }

    /// Returns the last component, `None` for `/`.
    pub fn file_name(&self) -> Option<&[u8]> {
        if self.is_root() { None } else { self.0.rsplit(|byte| *byte == b'/').next() }
    }

    /// Returns the components from the top.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// Tells whether this path is `base` or lies below it, by whole components.
    pub fn starts_with(&self, base: &Self) -> bool {
        self.strip_prefix(base).is_some()
    }

    /// Returns what follows `base` as a path of its own (`/` when they are equal).
    pub fn strip_prefix(&self, base: &Self) -> Option<Self> {
        if base.is_root() {
            return Some(self.clone());
        }
        match self.0.strip_prefix(base.0.as_slice())? {
            b"" => Some(Self::root()),
            rest if rest.first() == Some(&b'/') => Some(Self(rest.to_vec())),
            _ => None,
        }
    }

    /// Returns this path moved below `base`.
    #[must_use]
    pub fn below(&self, base: &Self) -> Self {
        if self.is_root() {
            return base.clone();
        }
        if base.is_root() {
            return self.clone();
        }
        let mut bytes = base.0.clone();
        bytes.extend_from_slice(&self.0);
        Self(bytes)
    }

    /// Returns the path as bytes, starting with `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the path as text; bytes that are not UTF-8 are replaced.
    pub fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(raw: &str) -> VirtualPath {
        VirtualPath::parse(raw.as_bytes()).unwrap()
    }

    #[test]
    fn paths_are_cleaned_and_stop_at_the_root() {
        for (raw, clean) in [
            ("", "/"),
            (".", "/"),
            ("..", "/"),
            ("a", "/a"),
            ("/a/./b//c/", "/a/b/c"),
            ("/a/../../b", "/b"),
            ("../../etc/passwd", "/etc/passwd"),
            ("/...", "/..."),
        ] {
            assert_eq!(path(raw).to_text(), clean, "{raw:?}");
        }
    }

    #[test]
    fn a_nul_or_a_giant_path_is_invalid() {
        assert!(VirtualPath::parse(b"/a\0b").is_err());
        assert!(VirtualPath::parse(&[b'a'; 5000]).is_err());
    }

    #[test]
    fn prefixes_count_whole_components() {
        assert!(path("/a/b").starts_with(&path("/a")));
        assert!(path("/a").starts_with(&path("/a")));
        assert!(!path("/ab").starts_with(&path("/a")));
        assert!(path("/ab").starts_with(&VirtualPath::root()));
        assert_eq!(path("/a/b/c").strip_prefix(&path("/a")), Some(path("/b/c")));
        assert_eq!(path("/x").below(&path("/v")), path("/v/x"));
    }

    #[test]
    fn parents_and_names() {
        assert_eq!(path("/a/b").parent(), Some(path("/a")));
        assert_eq!(path("/a").parent(), Some(VirtualPath::root()));
        assert_eq!(VirtualPath::root().parent(), None);
        assert_eq!(path("/a/b").file_name(), Some(b"b".as_slice()));
        assert_eq!(VirtualPath::root().file_name(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_clean_path_or_an_error(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(clean) = VirtualPath::parse(&raw) {
                let bytes = clean.as_bytes();
                prop_assert_eq!(bytes[0], b'/');
                prop_assert!(!bytes.contains(&0));
                for name in clean.components() {
                    prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                }
                prop_assert_eq!(VirtualPath::parse(bytes).unwrap(), clean);
            }
        }
    }
}
