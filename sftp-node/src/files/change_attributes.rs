//! Setting attributes: every one in a request, each permitted before anything is changed.

use std::time::SystemTime;

use ferryd_domain::{Fault, FaultKind, Operation, VirtualPath};
use ferryd_storage::{Links, ResolvedPath, SetAttributes};
use ferryd_telemetry::records::CommandSender;

use super::audit::Command;
use super::open_files::UsageDelta;
use super::{Download, Upload, UserFiles};

impl UserFiles {
    pub(super) async fn try_set_attributes(
        &self,
        raw: &[u8],
        set: SetAttributes,
        links: Links,
    ) -> Result<(), Fault> {
        let path = VirtualPath::parse(raw)?;
        if self.shared.ignore_attributes {
            return Ok(());
        }
        // To set nothing tells no more than STAT does.
        if set == SetAttributes::default() {
            return self.try_stat(raw, links).await.map(drop);
        }
        self.permit_some(&path, &set)?;
        let resolved = self.shared.storage.resolve(&path, links).await?;
        let metadata = resolved.stat().await?;
        for operation in operations(&set, metadata.is_directory()) {
            self.permit(operation, &path)?;
            self.permit_at(operation, &path, resolved.as_ref())?;
        }
        match set.size {
            None => resolved.set_attributes(set).await?,
            Some(_) if !metadata.is_file() => {
                return Err(Fault::new(FaultKind::IsADirectory, "only files have a size"));
            }
            Some(size) => self.resize(resolved.as_ref(), metadata.size, size, set).await?,
        }
        self.log_attributes(resolved.as_ref(), &set);
        Ok(())
    }

    pub(super) async fn try_set_upload_attributes(
        &self,
        upload: &Upload,
        set: SetAttributes,
    ) -> Result<(), Fault> {
        if self.shared.ignore_attributes {
            return Ok(());
        }
        for operation in operations(&SetAttributes { size: None, ..set }, false) {
            self.permit(operation, upload.path())?;
            self.permit_at(operation, upload.path(), upload.resolved())?;
        }
        upload.set_attributes(set).await?;
        self.log_attributes(upload.resolved(), &set);
        Ok(())
    }

    pub(super) async fn try_set_download_attributes(
        &self,
        download: &Download,
        set: SetAttributes,
    ) -> Result<(), Fault> {
        if self.shared.ignore_attributes {
            return Ok(());
        }
        if set.size.is_some() {
            return Err(Fault::denied());
        }
        for operation in operations(&set, false) {
            self.permit(operation, download.path())?;
            self.permit_at(operation, download.path(), download.resolved())?;
        }
        download.set_attributes(set).await?;
        self.log_attributes(download.resolved(), &set);
        Ok(())
    }

    /// Refuses before any I/O what is denied for files and directories alike, so that a refused
    /// user cannot learn whether a path exists.
    fn permit_some(&self, path: &VirtualPath, set: &SetAttributes) -> Result<(), Fault> {
        let pairs = operations(set, false).into_iter().zip(operations(set, true));
        for (file, directory) in pairs {
            self.permit(file, path).or_else(|_| self.permit(directory, path))?;
        }
        Ok(())
    }

    /// Changes a size within the quota and accounts the difference.
    async fn resize(
        &self,
        resolved: &dyn ResolvedPath,
        old: u64,
        new: u64,
        set: SetAttributes,
    ) -> Result<(), Fault> {
        let mut reservation = self.reserve_growth(new.saturating_sub(old)).await?;
        let (result, delta) = self.resize_counted(resolved, set).await?;
        reservation.settle(delta).await;
        result
    }

    /// Changes a size; the size before is looked at again, since another session may write.
    async fn resize_counted(
        &self,
        resolved: &dyn ResolvedPath,
        set: SetAttributes,
    ) -> Result<(Result<(), Fault>, UsageDelta), Fault> {
        let mut open = self.shared.open_files.lock().await;
        let before = resolved.stat().await?;
        let result = resolved.set_attributes(set).await;
        let Ok(after) = resolved.stat().await else {
            return Ok((result, UsageDelta::default().doubted()));
        };
        let plain = UsageDelta::resized(before.size, after.size, after.links);
        let delta = match open.measure(&after) {
            Some(delta) => delta,
            None if after.file_id == before.file_id => plain,
            None => plain.doubted(),
        };
        Ok((result, delta))
    }

    fn log_attributes(&self, resolved: &dyn ResolvedPath, set: &SetAttributes) {
        let audit = self.audit();
        if let Some(mode) = set.permissions {
            audit.command(&Command {
                mode: Some(mode),
                ..Command::at(CommandSender::Chmod, resolved)
            });
        }
        if set.uid.is_some() || set.gid.is_some() {
            let owner = (set.uid.map_or(-1, i64::from), set.gid.map_or(-1, i64::from));
            audit.command(&Command { owner, ..Command::at(CommandSender::Chown, resolved) });
        }
        if set.accessed.is_some() || set.modified.is_some() {
            let times: (Option<SystemTime>, Option<SystemTime>) = (set.accessed, set.modified);
            audit.command(&Command { times, ..Command::at(CommandSender::Chtimes, resolved) });
        }
    }
}

/// Returns what has to be permitted.
fn operations(set: &SetAttributes, directory: bool) -> Vec<Operation> {
    let mut operations = Vec::with_capacity(4);
    if set.size.is_some() {
        operations.push(Operation::Overwrite);
    }
    if set.permissions.is_some() {
        operations.push(Operation::ChangeMode { directory });
    }
    if set.uid.is_some() || set.gid.is_some() {
        operations.push(Operation::ChangeOwner { directory });
    }
    if set.accessed.is_some() || set.modified.is_some() {
        operations.push(Operation::ChangeTimes { directory });
    }
    operations
}
