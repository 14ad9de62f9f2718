//! Where a walk along names stands: a clean path below the root, or still above the root while an
//! absolute link spells out the path to it. Pure; `confine` and the reading of links use it.

use ferryd_domain::{Fault, VirtualPath};

use super::fault::outside;

/// What a component of a path means in the directory where the walk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The walk stays in the same directory.
    Stayed,
    /// The walk is in another directory, without a look at the disk.
    Moved,
    /// The component is a name to look up.
    Name,
}

/// Names of the directories above a root, and of the root itself.
#[derive(Clone, Debug, Default)]
pub(super) struct RootNames {
    /// After all links, from the top.
    real: Vec<Vec<u8>>,
    /// As configured.
    configured: Vec<Vec<u8>>,
}

impl RootNames {
    /// Returns the names of a root by its real and its configured path.
    pub(super) fn new(real: &[u8], configured: &[u8]) -> Self {
        let owned = |path| components(path).map(<[u8]>::to_vec).collect();
        Self { real: owned(real), configured: owned(configured) }
    }
}

/// Where a walk stands.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'root> {
    names: &'root RootNames,
    /// Clean path below the root, `/` for the root.
    path: Vec<u8>,
    /// Above the root: how many of its real names are matched.
    above: Option<usize>,
}

impl<'root> Cursor<'root> {
    /// Returns a cursor at a path below the root.
    pub(super) fn at(names: &'root RootNames, path: &VirtualPath) -> Self {
        Self { names, path: path.as_bytes().to_vec(), above: None }
    }

    /// Takes the next component.
    ///
    /// # Errors
    /// `Failed` when it leads away from the root.
    pub(super) fn advance(&mut self, component: &[u8]) -> Result<Step, Fault> {
        match (component, self.above) {
            (b"" | b".", _) => Ok(Step::Stayed),
            (b"..", None) => Ok(self.ascend()),
            (b"..", Some(matched)) => {
                self.above = Some(matched.saturating_sub(1));
                Ok(Step::Moved)
            }
            (_, None) => Ok(Step::Name),
            (name, Some(matched)) => self.descend_to_root(name, matched),
        }
    }

    fn ascend(&mut self) -> Step {
        if self.is_root() {
            self.above = match self.names.real.len() {
                0 => None,
                depth => Some(depth - 1),
            };
        } else {
            let end = self.path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            self.path.truncate(end.max(1));
        }
        Step::Moved
    }

    fn descend_to_root(&mut self, name: &[u8], matched: usize) -> Result<Step, Fault> {
        if self.names.real.get(matched).map(Vec::as_slice) != Some(name) {
            return Err(outside());
        }
        let matched = matched + 1;
        self.above = (matched < self.names.real.len()).then_some(matched);
        Ok(Step::Moved)
    }

    /// Goes to the top of the file system for an absolute link; returns what is left of it.
    pub(super) fn restart<'link>(&mut self, target: &'link [u8]) -> Vec<&'link [u8]> {
        self.path.truncate(1);
        let spelled: Vec<&[u8]> = components(target).collect();
        let configured = &self.names.configured;
        if !configured.is_empty() && spelled.len() >= configured.len() {
            let (head, rest) = spelled.split_at(configured.len());
            if head.iter().zip(configured).all(|(name, known)| *name == known.as_slice()) {
                self.above = None;
                return rest.to_vec();
            }
        }
        self.above = if self.names.real.is_empty() { None } else { Some(0) };
        spelled
    }

    /// Enters a name that was found to be a directory.
    pub(super) fn push(&mut self, name: &[u8]) {
        if !self.is_root() {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(name);
    }

    /// Tells whether the walk stands at the root.
    pub(super) fn is_root(&self) -> bool {
        self.path.len() == 1
    }

    /// Returns the path below the root without the leading slash.
    pub(super) fn relative(&self) -> &[u8] {
        self.path.get(1..).unwrap_or_default()
    }

    /// Returns the path below the root.
    ///
    /// # Errors
    /// `Failed` above the root, `InvalidInput` when links made it too long.
    pub(super) fn path(&self) -> Result<VirtualPath, Fault> {
        if self.above.is_some() {
            return Err(outside());
        }
        VirtualPath::parse(&self.path)
    }
}

/// Returns where a link in `directory` leads by its text alone.
///
/// # Errors
/// `Failed` when it leads outside.
pub(super) fn client_path(
    names: &RootNames,
    directory: &VirtualPath,
    target: &[u8],
) -> Result<VirtualPath, Fault> {
    let mut cursor = Cursor::at(names, directory);
    let spelled = if target.first() == Some(&b'/') {
        cursor.restart(target)
    } else {
        components(target).collect()
    };
    for component in spelled {
        if cursor.advance(component)? == Step::Name {
            cursor.push(component);
        }
    }
    cursor.path()
}

/// Returns the components of a path, empty ones left out.
pub(super) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(directory: &str, target: &str) -> Option<String> {
        let names = RootNames::new(b"/srv/homes/bob", b"/home/bob");
        let directory = VirtualPath::parse(directory.as_bytes()).unwrap();
        client_path(&names, &directory, target.as_bytes()).ok().map(|path| path.to_text())
    }

    #[test]
    fn links_are_read_as_client_paths_and_never_lead_outside() {
        for (directory, target, leads) in [
            ("/a", "b", Some("/a/b")),
            ("/a", "./../c//d/", Some("/c/d")),
            ("/a/b", "..", Some("/a")),
            ("/", "..", None),
            ("/", "../bob/x", Some("/x")),
            ("/a", "../../../homes/bob/x", Some("/x")),
            ("/", "../bob-private/x", None),
            ("/", "/srv/homes/bob/x", Some("/x")),
            ("/", "/srv/homes/bob", Some("/")),
            ("/", "/srv/homes/bob-private", None),
            ("/", "/srv/../srv/homes/./bob/x", Some("/x")),
            ("/", "/../../srv/homes/bob", Some("/")),
            ("/", "/home/bob/x", Some("/x")),
            ("/", "/home/bob2/x", None),
            ("/", "/home/bob/../alice", None),
            ("/", "/etc/passwd", None),
            ("/", "/", None),
        ] {
            assert_eq!(lead(directory, target).as_deref(), leads, "{directory} {target}");
        }
    }
}
