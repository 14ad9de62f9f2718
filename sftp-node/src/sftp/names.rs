//! REMOVE, RMDIR, MKDIR, RENAME, SYMLINK.

use super::channel::SftpChannel;

impl SftpChannel {
    /// REMOVE.
    pub(super) async fn remove(&mut self, id: u32, path: &[u8]) {
        let done = self.files.remove_file(path).await;
        self.conclude(id, done);
    }

    /// RMDIR.
    pub(super) async fn remove_dir(&mut self, id: u32, path: &[u8]) {
        let done = self.files.remove_directory(path).await;
        self.conclude(id, done);
    }

    /// MKDIR.
    pub(super) async fn make_dir(&mut self, id: u32, path: &[u8], permissions: Option<u32>) {
        let done = self.files.make_directory(path, permissions).await;
        self.conclude(id, done);
    }

    /// RENAME and posix-rename: both replace a file that stands at the target.
    pub(super) async fn rename(&mut self, id: u32, from: &[u8], to: &[u8]) {
        let done = self.files.rename(from, to).await;
        self.conclude(id, done);
    }

    /// SYMLINK.
    pub(super) async fn symlink(&mut self, id: u32, target: &[u8], link: &[u8]) {
        let done = self.files.make_symlink(target, link).await;
        self.conclude(id, done);
    }
}
