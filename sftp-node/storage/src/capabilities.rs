//! What a storage can do.

/// What a storage can do; the contract suite picks its cases from this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Files can be written at any offset and continued later.
    pub resume: bool,
    /// Symbolic links.
    pub symlinks: bool,
    /// Modes, owners, times. Without it chmod and chown are accepted without effect.
    pub attributes: bool,
    /// Directories with entries can be renamed.
    pub rename_directories: bool,
    /// Paths are on a disk of this machine, so programs can work on them.
    pub local: bool,
}
