//! How a file is opened for writing.

/// How an upload treats what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteHow {
    /// Where the bytes go meanwhile.
    pub mode: WriteMode,
    /// Also open for reading.
    pub read: bool,
    /// Make the file when it is missing; without it a missing file is `NotFound`.
    pub create: bool,
    /// Start from nothing; without it the old bytes stay where they are not overwritten.
    pub truncate: bool,
    /// `AlreadyExists` when there is a file.
    pub exclusive: bool,
    /// Every write goes to the end of the file as it is then, whatever its offset. A file that
    /// exists is written in place in every mode, so that several appenders lose nothing.
    pub append: bool,
    /// Permission bits of a new file before the umask.
    pub permissions: u32,
}

/// Where the bytes of an upload go until it is finished (`upload_mode` of the configuration).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteMode {
    /// Straight into the target; a broken upload leaves its part (mode 0).
    Direct,
    /// Into a temporary file beside the target that replaces it at the end; a broken upload
    /// leaves the old file (mode 1).
    Atomic,
    /// As `Atomic`, but a broken upload replaces the target with its part (mode 2).
    AtomicKeepPart,
}
