//! What a storage tells of a file, directory or link: its kind and attributes.

/// The type of a file, in the sense of `st_mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, socket or device: listed, never opened.
    Special,
}

/// What `stat` tells of a file, directory or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// What it is.
    pub kind: FileKind,
    /// Bytes.
    pub size: u64,
    /// File type and permission bits as in `st_mode`.
    pub mode: u32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Hard links.
    pub links: u64,
    /// Unix seconds.
    pub accessed: i64,
    /// Unix seconds.
    pub modified: i64,
    /// Tells one file from another.
    pub file_id: FileId,
}

/// Device and inode (or a number of equal use): equal for two names of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FileId {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
}

impl Metadata {
    /// Tells whether it is a directory.
    pub fn is_directory(&self) -> bool {
        self.kind == FileKind::Directory
    }

    /// Tells whether it is a regular file.
    pub fn is_file(&self) -> bool {
        self.kind == FileKind::File
    }

    /// Tells whether it is a symbolic link.
    pub fn is_symlink(&self) -> bool {
        self.kind == FileKind::Symlink
    }
}
