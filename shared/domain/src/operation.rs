//! `Operation`: what a user tries to do with a path. The input of every access decision.

/// Something that a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// List a directory.
    ListDirectory,
    /// Read the attributes of an entry.
    Stat,
    /// Read a link's target.
    ReadLink,
    /// Read a file.
    Download,
    /// Create a file.
    Upload,
    /// Change the content of an existing file.
    Overwrite,
    /// Remove a file or a link.
    RemoveFile,
    /// Remove a directory.
    RemoveDirectory,
    /// Rename away from here.
    RenameSource {
        /// Whether a directory is moved.
        directory: bool,
    },
    /// Rename to here.
    RenameTarget {
        /// Whether a directory is moved.
        directory: bool,
        /// Whether a file is replaced.
        replaces: bool,
    },
    /// Make a directory.
    MakeDirectory,
    /// Make a symbolic or hard link here.
    MakeLink,
    /// Change the mode.
    ChangeMode {
        /// Whether the target is a directory.
        directory: bool,
    },
    /// Change the owner.
    ChangeOwner {
        /// Whether the target is a directory.
        directory: bool,
    },
    /// Change the times.
    ChangeTimes {
        /// Whether the target is a directory.
        directory: bool,
    },
    /// Compute a digest.
    Hash,
}
