//! STAT, LSTAT, FSTAT, SETSTAT, FSETSTAT, REALPATH, READLINK, OPENDIR, READDIR.

use std::sync::Arc;

use ferryd_domain::Fault;
use ferryd_storage::{Links, SetAttributes};

use super::channel::SftpChannel;
use super::handles::{HandleKey, Open, invalid};
use super::late::PATIENCE;
use super::listing;
use super::replies::Pending;
use super::wire::PutFields;
use super::{attributes, packet, status};
use crate::budget::Exhausted;
use crate::files::Visible;

fn put_entry(out: &mut Vec<u8>, id: u32, entry: Result<Visible, Fault>) {
    match entry {
        Ok(Visible::All(entry)) => {
            out.put_packet(packet::ATTRS, id, |body| attributes::put(body, &entry));
        }
        Ok(Visible::Size(size)) => {
            out.put_packet(packet::ATTRS, id, |body| attributes::put_size(body, size));
        }
        Err(fault) => status::put_fault(out, id, &fault),
    }
}

impl SftpChannel {
    /// STAT and LSTAT.
    pub(super) async fn stat(
        &mut self,
        id: u32,
        path: &[u8],
        links: Links,
    ) -> Result<(), Exhausted> {
        if self.files.stats_at_once() {
            let entry = self.files.stat(path, links).await;
            put_entry(&mut self.out, id, entry);
            return Ok(());
        }
        Box::pin(self.slow_stat(id, path.to_vec(), links)).await
    }

    /// A STAT that may wait. When it takes long it holds up neither the replies before it nor
    /// requests behind it, which may be for another mount.
    async fn slow_stat(&mut self, id: u32, path: Vec<u8>, links: Links) -> Result<(), Exhausted> {
        let files = self.files.clone();
        let mut entry = Box::pin(async move { files.stat(&path, links).await });
        if let Ok(entry) = tokio::time::timeout(PATIENCE, &mut entry).await {
            put_entry(&mut self.out, id, entry);
            return Ok(());
        }
        self.flush_replies()?;
        let reply = async move {
            let mut out = Vec::new();
            put_entry(&mut out, id, entry.await);
            out
        };
        self.late.add(&self.queue, reply).await
    }

    /// FSTAT: of the open file, whatever stands at its path.
    pub(super) async fn fstat(&mut self, id: u32, handle: HandleKey) -> Result<(), Exhausted> {
        let entry = match self.handles.get(handle) {
            Ok(Open::Download(download)) => download.stat().await,
            Ok(Open::Upload(upload)) if self.is_waiting(handle) => {
                let upload = Arc::clone(upload);
                return self.defer_on(handle, 0, async move {
                    let mut out = Vec::new();
                    put_entry(&mut out, id, upload.stat().await);
                    out
                });
            }
            Ok(Open::Upload(upload)) => upload.stat().await,
            Ok(Open::Directory(directory)) => {
                let path = directory.path().clone();
                self.files.stat(path.as_bytes(), Links::Follow).await
            }
            Err(fault) => Err(fault),
        };
        put_entry(&mut self.out, id, entry);
        Ok(())
    }

    /// SETSTAT.
    pub(super) async fn set_stat(&mut self, id: u32, path: &[u8], set: SetAttributes) {
        let done = self.files.set_attributes(path, set, Links::Follow).await;
        self.conclude(id, done);
    }

    /// FSETSTAT: on the open file.
    pub(super) async fn fset_stat(
        &mut self,
        id: u32,
        handle: HandleKey,
        set: SetAttributes,
    ) -> Result<(), Exhausted> {
        let done = match self.handles.get(handle) {
            Ok(Open::Download(download)) => self.files.set_download_attributes(download, set).await,
            Ok(Open::Upload(upload)) if self.is_waiting(handle) => {
                let (files, upload) = (self.files.clone(), Arc::clone(upload));
                return self.defer_on(handle, 0, async move {
                    let mut out = Vec::new();
                    match files.set_upload_attributes(&upload, set).await {
                        Ok(()) => status::put_ok(&mut out, id),
                        Err(fault) => status::put_fault(&mut out, id, &fault),
                    }
                    out
                });
            }
            Ok(Open::Upload(upload)) => self.files.set_upload_attributes(upload, set).await,
            Ok(Open::Directory(directory)) => {
                let path = directory.path().clone();
                self.files.set_attributes(path.as_bytes(), set, Links::Follow).await
            }
            Err(fault) => Err(fault),
        };
        self.conclude(id, done);
        Ok(())
    }

    /// REALPATH: answers for missing files too, clients ask before they make them.
    pub(super) fn real_path(&mut self, id: u32, path: &[u8]) {
        match self.files.real_path(path) {
            Ok(path) => listing::put_path(&mut self.out, id, path.as_bytes()),
            Err(fault) => self.fail(id, &fault),
        }
    }

    /// READLINK.
    pub(super) async fn read_link(&mut self, id: u32, path: &[u8]) {
        match self.files.read_link(path).await {
            Ok(target) => listing::put_path(&mut self.out, id, target.as_bytes()),
            Err(fault) => self.fail(id, &fault),
        }
    }

    /// OPENDIR.
    pub(super) async fn open_dir(&mut self, id: u32, path: &[u8]) {
        let opened = match self.handles.check_room() {
            Ok(()) => self.files.open_directory(path).await,
            Err(fault) => Err(fault),
        };
        match opened {
            Ok(directory) => self.put_handle(id, Open::Directory(Arc::new(directory))),
            Err(fault) => self.fail(id, &fault),
        }
    }

    /// READDIR: waits for the writer, so that only what can be sent is read.
    pub(super) fn read_dir(&mut self, id: u32, handle: HandleKey) -> Result<(), Exhausted> {
        match self.handles.get(handle) {
            Ok(Open::Directory(directory)) => {
                let directory = Arc::clone(directory);
                self.defer(Pending::List { id, directory })
            }
            Ok(Open::Download(_) | Open::Upload(_)) | Err(_) => {
                self.fail(id, &invalid());
                Ok(())
            }
        }
    }
}
