//! Removing and renaming.

use std::sync::Arc;

use ferryd_domain::{Fault, FaultKind, FileAction, Operation, VirtualPath};
use ferryd_storage::{Links, Metadata, ResolvedPath, is_circle};
use ferryd_telemetry::records::CommandSender;

use super::UserFiles;
use super::audit::Command;

impl UserFiles {
    pub(super) async fn try_remove_file(&self, raw: &[u8]) -> Result<(), Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::RemoveFile, &path)?;
        let resolved = self.resolve(&permit, Links::Keep).await?;
        let (metadata, delta) = {
            let mut open = self.shared.open_files.lock().await;
            let metadata = resolved.stat().await?;
            self.refuse_link_outside(&path, &metadata).await?;
            if metadata.is_directory() {
                return Err(Fault::new(FaultKind::IsADirectory, "is a directory"));
            }
            resolved.remove_file().await?;
            (metadata, open.remove(&metadata))
        };
        self.account_for(delta).await;
        let audit = self.audit();
        audit.command(&Command::at(CommandSender::Remove, resolved.as_ref()));
        let size = if metadata.is_file() { metadata.size } else { 0 };
        audit.event(FileAction::Delete, resolved.as_ref(), None, size);
        Ok(())
    }

    pub(super) async fn try_remove_directory(&self, raw: &[u8]) -> Result<(), Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::RemoveDirectory, &path)?;
        let resolved = self.resolve(&permit, Links::Keep).await?;
        resolved.remove_directory().await?;
        self.audit().command(&Command::at(CommandSender::Rmdir, resolved.as_ref()));
        Ok(())
    }

    pub(super) async fn try_rename(&self, from: &[u8], to: &[u8]) -> Result<(), Fault> {
        let from = VirtualPath::parse(from)?;
        let to = VirtualPath::parse(to)?;
        self.permit_either(|directory| Operation::RenameSource { directory }, &from)?;
        self.permit_either(
            |directory| Operation::RenameTarget { directory, replaces: false },
            &to,
        )?;
        let source = self.shared.storage.resolve(&from, Links::Keep).await?;
        let (target, delta) = {
            let mut open = self.shared.open_files.lock().await;
            let moved = source.stat().await?;
            self.refuse_link_outside(&from, &moved).await?;
            let (target, replaced) =
                self.rename_target(&from, &to, source.as_ref(), &moved).await?;
            let (old, new) = ((&from, source.as_ref()), (&to, target.as_ref()));
            self.filter_rename(old, new, &moved).await?;
            source.rename(target.as_ref()).await?;
            (target, replaced.map(|metadata| open.remove(&metadata)).unwrap_or_default())
        };
        self.account_for(delta).await;
        let audit = self.audit();
        let (old, new) = (source.real_path(), target.real_path());
        audit.command(&Command::between(CommandSender::Rename, old, new));
        audit.event(FileAction::Rename, source.as_ref(), Some(target.as_ref()), 0);
        Ok(())
    }

    /// Permits what is not known yet to be a file or a directory, when either could be permitted.
    fn permit_either(
        &self,
        operation: impl Fn(bool) -> Operation,
        path: &VirtualPath,
    ) -> Result<(), Fault> {
        self.permit(operation(true), path)
            .or_else(|_| self.permit(operation(false), path))
            .map(drop)
    }

    /// Refuses a link that leads outside: such links are listed and nothing more. One whose target
    /// is missing, or that leads in circles, is as good as any other.
    async fn refuse_link_outside(
        &self,
        path: &VirtualPath,
        metadata: &Metadata,
    ) -> Result<(), Fault> {
        if !metadata.is_symlink() {
            return Ok(());
        }
        match self.shared.storage.resolve(path, Links::Follow).await {
            Err(fault) if fault.kind() == FaultKind::Failed && !is_circle(&fault) => Err(fault),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Permits both ends of a rename; returns the target and the file that will be replaced.
    async fn rename_target(
        &self,
        from: &VirtualPath,
        to: &VirtualPath,
        source: &dyn ResolvedPath,
        moved: &Metadata,
    ) -> Result<(Arc<dyn ResolvedPath>, Option<Metadata>), Fault> {
        let directory = moved.is_directory();
        let leaving = Operation::RenameSource { directory };
        self.permit(leaving, from)?;
        self.permit_at(leaving, from, source)?;
        let arriving = |replaces| Operation::RenameTarget { directory, replaces };
        let permit = self.permit(arriving(false), to)?;
        let target = self.resolve(&permit, Links::Keep).await?;
        match target.stat().await {
            Err(fault) if fault.kind() == FaultKind::NotFound => Ok((target, None)),
            Err(fault) => Err(fault),
            Ok(found) if found.is_directory() => {
                Err(Fault::new(FaultKind::IsADirectory, "a directory stands at the target"))
            }
            Ok(found) if found.file_id == moved.file_id => Ok((target, None)),
            Ok(found) => {
                self.permit(arriving(true), to)?;
                self.permit_at(arriving(true), to, target.as_ref())?;
                self.refuse_link_outside(to, &found).await?;
                Ok((target, found.is_file().then_some(found)))
            }
        }
    }
}
