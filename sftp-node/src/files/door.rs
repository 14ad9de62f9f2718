//! The operations as the protocols call them. Each is tried; what fails is told, once, whatever
//! the protocol makes of it.

use ferryd_domain::{Fault, VirtualPath};
use ferryd_storage::{LinkTarget, Links, SetAttributes, Space};

use super::audit::{Act, Attempt};
use super::{Directory, Download, Range, Source, Upload, UploadFlags, UserFiles, Visible};
use crate::digest::Algorithm;

impl UserFiles {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed` for anything that is no regular file.
    pub async fn open_read(&self, raw: &[u8]) -> Result<Download, Fault> {
        let opened = self.try_open_read(raw).await;
        self.told(Act::Download, raw, opened)
    }

    /// Opens a file for reading that is no transfer: nothing of it is sent.
    ///
    /// # Errors
    /// Those of [`open_read`](Self::open_read).
    pub async fn open_unlisted(&self, raw: &[u8]) -> Result<Download, Fault> {
        let opened = self.try_open_unlisted(raw).await;
        self.told(Act::Digest, raw, opened)
    }

    /// Opens a file for writing.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `AlreadyExists`, `QuotaExceeded`, `Unsupported` for a
    /// directory, `Failed` for special files. Nothing is made or changed then.
    pub async fn open_write(&self, raw: &[u8], flags: UploadFlags) -> Result<Upload, Fault> {
        let opened = self.try_open_write(raw, flags).await;
        self.told(Act::Upload, raw, opened)
    }

    /// Opens a directory for listing.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `NotADirectory`, `Failed`.
    pub async fn open_directory(&self, raw: &[u8]) -> Result<Directory, Fault> {
        let opened = self.try_open_directory(raw).await;
        self.told(Act::List, raw, opened)
    }

    /// Returns what is visible of an entry.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed`.
    pub async fn stat(&self, raw: &[u8], links: Links) -> Result<Visible, Fault> {
        let found = self.try_stat(raw, links).await;
        self.told(Act::Stat, raw, found)
    }

    /// Returns where a link leads: the text of a relative link, else a client path.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed` for a link that leads outside.
    pub async fn read_link(&self, raw: &[u8]) -> Result<LinkTarget, Fault> {
        let target = self.try_read_link(raw).await;
        self.told(Act::ReadLink, raw, target)
    }

    /// Returns the size of the storage around a path; with a quota, the quota as if it were the disk.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed`.
    pub async fn space(&self, raw: &[u8]) -> Result<Space, Fault> {
        let space = self.try_space(raw).await;
        self.told(Act::Space, raw, space)
    }

    /// The same for what is open; when its name is gone, for the nearest folder that is there.
    ///
    /// # Errors
    /// Those of [`space`](Self::space).
    pub async fn space_of_open(&self, path: VirtualPath) -> Result<Space, Fault> {
        let space = self.try_space_of_open(path.clone()).await;
        self.told(Act::Space, path.as_bytes(), space)
    }

    /// Removes a file, a link or a special file.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `IsADirectory`.
    pub async fn remove_file(&self, raw: &[u8]) -> Result<(), Fault> {
        let removed = self.try_remove_file(raw).await;
        self.told(Act::Remove, raw, removed)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `NotADirectory`, `NotEmpty`.
    pub async fn remove_directory(&self, raw: &[u8]) -> Result<(), Fault> {
        let removed = self.try_remove_directory(raw).await;
        self.told(Act::RemoveDirectory, raw, removed)
    }

    /// Renames; a file at the target is replaced when `overwrite` is granted.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `IsADirectory` for a directory at the target.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let renamed = self.try_rename(from, to).await;
        self.told_of_two(Act::Rename, from, to, renamed)
    }

    /// Makes a directory with this mode before the umask; `None` is the usual one.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound` for a missing parent, `AlreadyExists`.
    pub async fn make_directory(&self, raw: &[u8], permissions: Option<u32>) -> Result<(), Fault> {
        let made = self.try_make_directory(raw, permissions).await;
        self.told(Act::MakeDirectory, raw, made)
    }

    /// Makes a symbolic link at `link`; a relative `target` is relative to it. What it leads to need
    /// not exist.
    ///
    /// # Errors
    /// `PermissionDenied`, also for the root as target; `AlreadyExists`.
    pub async fn make_symlink(&self, target: &[u8], link: &[u8]) -> Result<(), Fault> {
        let made = self.try_make_symlink(target, link).await;
        self.told_of_two(Act::Symlink, target, link, made)
    }

    /// Makes `link` a second name of the file `existing`. Needs what a copy would need, and no
    /// change may be allowed by the new name alone: it would change the file under the old one.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `AlreadyExists`, `Unsupported`.
    pub async fn make_hard_link(&self, existing: &[u8], link: &[u8]) -> Result<(), Fault> {
        let made = self.try_make_hard_link(existing, link).await;
        self.told_of_two(Act::HardLink, existing, link, made)
    }

    /// Sets attributes of an entry. With `setstat_mode` 1 nothing is done.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `IsADirectory` for a size of a directory.
    pub async fn set_attributes(
        &self,
        raw: &[u8],
        set: SetAttributes,
        links: Links,
    ) -> Result<(), Fault> {
        let done = self.try_set_attributes(raw, set, links).await;
        self.told(Act::SetAttributes, raw, done)
    }

    /// Sets attributes of a file that is open for writing; they survive its close.
    ///
    /// # Errors
    /// `PermissionDenied`, `QuotaExceeded`.
    pub async fn set_upload_attributes(
        &self,
        upload: &Upload,
        set: SetAttributes,
    ) -> Result<(), Fault> {
        let done = self.try_set_upload_attributes(upload, set).await;
        self.told(Act::SetAttributes, upload.path().as_bytes(), done)
    }

    /// Sets attributes of a file that is open for reading; its size cannot be one of them.
    ///
    /// # Errors
    /// `PermissionDenied`.
    pub async fn set_download_attributes(
        &self,
        download: &Download,
        set: SetAttributes,
    ) -> Result<(), Fault> {
        let done = self.try_set_download_attributes(download, set).await;
        self.told(Act::SetAttributes, download.path().as_bytes(), done)
    }

    /// Returns the digest of a file.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `Failed`.
    pub async fn digest(&self, raw: &[u8], algorithm: Algorithm) -> Result<Vec<u8>, Fault> {
        let digest = self.try_digest(raw, algorithm).await;
        self.told(Act::Digest, raw, digest)
    }

    /// Returns the digests of a range of an open file: one, or one for each block of `block` bytes.
    ///
    /// # Errors
    /// `PermissionDenied`, `Failed`.
    pub async fn digests(
        &self,
        file: &Download,
        algorithm: Algorithm,
        range: Range,
        block: Option<u64>,
    ) -> Result<Vec<u8>, Fault> {
        let digests = self.try_digests(file, algorithm, range, block).await;
        self.told(Act::Digest, file.path().as_bytes(), digests)
    }

    /// Tells of a command that is not run. Only its name is told: it may be one for another
    /// server, with a password in it.
    pub fn tell_refused_command(&self, line: &[u8]) {
        const LONGEST: usize = 64;
        let name = line.split(u8::is_ascii_whitespace).find(|word| !word.is_empty());
        let name = name.unwrap_or_default();
        let name = String::from_utf8_lossy(name.get(..LONGEST).unwrap_or(name));
        let fault = Fault::unsupported(format!("{name:?} is no command or not enabled"));
        self.audit().failed(&Attempt { act: Act::Exec, path: b"", target: b"", bytes: 0 }, &fault);
    }

    /// Tells of a shell or a subsystem that is not there.
    pub fn tell_refused_service(&self, name: &str) {
        let fault = Fault::unsupported(format!("there is no {name:?} here"));
        let attempt = Attempt { act: Act::Service, path: b"", target: b"", bytes: 0 };
        self.audit().failed(&attempt, &fault);
    }

    /// Tells of an operation on one path when it has failed.
    pub(super) fn told<T>(
        &self,
        act: Act,
        raw: &[u8],
        result: Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.told_of_two(act, raw, b"", result)
    }

    fn told_of_two<T>(
        &self,
        act: Act,
        raw: &[u8],
        target: &[u8],
        result: Result<T, Fault>,
    ) -> Result<T, Fault> {
        result.inspect_err(|fault| {
            self.audit().failed(&Attempt { act, path: raw, target, bytes: 0 }, fault);
        })
    }
}

/// Copies a range of one open file into another in steps, each within the quota and at the
/// account's rate, until `gone`. A copy ends well with its source, as for OpenSSH, whatever length
/// was asked for. The end of the source is where it is at the start: a file that is copied behind
/// its own end would have none. Both handles prove that reading and writing are
/// permitted. What fails half way breaks the upload.
///
/// # Errors
/// `QuotaExceeded`, `Failed`; for a range that would be copied onto itself, too.
pub(crate) async fn copy(
    source: &Source,
    range: Range,
    to: &Upload,
    offset: u64,
    gone: impl Future<Output = ()>,
) -> Result<(), Fault> {
    let copied = super::copy::try_copy(source, range, to, offset, gone).await;
    // A broken upload is told at its end.
    if to.is_broken() {
        return copied;
    }
    let (from, into) = (source.path().as_bytes(), to.path().as_bytes());
    to.files().told_of_two(Act::Copy, from, into, copied)
}
