//! Making directories and links.

use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{LinkTarget, Links, ResolvedPath};
use ferryd_telemetry::records::CommandSender;

use super::UserFiles;
use super::audit::Command;
use super::open_files::UsageDelta;
use super::permit::Permit;

/// Mode of a new directory before the umask, when the client sends none.
const DIRECTORY_MODE: u32 = 0o777;

/// What changes a file, by whichever of its names it is done.
const CHANGES: [Operation; 4] = [
    Operation::Overwrite,
    Operation::ChangeMode { directory: false },
    Operation::ChangeOwner { directory: false },
    Operation::ChangeTimes { directory: false },
];

impl UserFiles {
    /// Returns the mode of a new entry before the umask. With `setstat_mode` 1 what a client sends
    /// does not count.
    pub(super) fn mode_of_new(&self, asked: Option<u32>, usual: u32) -> u32 {
        asked.filter(|_| !self.shared.ignore_attributes).unwrap_or(usual)
    }

    pub(super) async fn try_make_directory(
        &self,
        raw: &[u8],
        permissions: Option<u32>,
    ) -> Result<(), Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::MakeDirectory, &path)?;
        let resolved = self.resolve(&permit, Links::Keep).await?;
        let mode = self.mode_of_new(permissions, DIRECTORY_MODE);
        resolved.make_directory(mode).await?;
        self.audit().command(&Command::at(CommandSender::Mkdir, resolved.as_ref()));
        Ok(())
    }

    pub(super) async fn try_make_symlink(&self, target: &[u8], link: &[u8]) -> Result<(), Fault> {
        let text = LinkTarget::parse(target)?;
        let link = VirtualPath::parse(link)?;
        let permit = self.permit(Operation::MakeLink, &link)?;
        // The directory must not be renamed to where another filter holds meanwhile.
        let names = match self.shared.policy.has_filters() {
            true => Some(self.shared.open_files.lock().await),
            false => None,
        };
        let resolved = self.resolve(&permit, Links::Keep).await?;
        let target = text.from_directory(&resolved.path().directory())?;
        if target.is_root() || self.shared.policy.folders().contains(&target) {
            return Err(Fault::denied());
        }
        self.filter_link(&link, &text, None).await?;
        self.filter_link(resolved.path(), &text, None).await?;
        resolved.make_symlink(&text).await?;
        drop(names);
        let shown = self.shared.storage.resolve(&target, Links::Keep).await;
        let target = shown.map_or_else(|_| (&target).into(), |resolved| resolved.real_path());
        self.audit().command(&Command::between(
            CommandSender::Symlink,
            target,
            resolved.real_path(),
        ));
        Ok(())
    }

    pub(super) async fn try_make_hard_link(
        &self,
        existing: &[u8],
        link: &[u8],
    ) -> Result<(), Fault> {
        let existing = VirtualPath::parse(existing)?;
        let link = VirtualPath::parse(link)?;
        let reading = self.permit(Operation::Download, &existing)?;
        let making = self.permit(Operation::MakeLink, &link)?;
        self.permit(Operation::Upload, &link)?;
        let source = self.resolve(&reading, Links::Keep).await?;
        let target = self.resolve(&making, Links::Keep).await?;
        self.permit_at(Operation::Upload, &link, target.as_ref())?;
        for change in CHANGES {
            if self.permit(change, target.path()).is_ok() {
                self.permit(change, source.path())?;
            }
        }
        let metadata = source.stat().await?;
        if metadata.is_directory() {
            return Err(Fault::denied());
        }
        if !metadata.is_file() {
            return Err(Fault::failed("only regular files can be linked"));
        }
        let mut reservation = self.reserve_copy(metadata.size).await?;
        let delta = self.link_counted(source.as_ref(), &making, target.as_ref()).await?;
        reservation.settle(delta).await;
        self.audit().command(&Command::between(
            CommandSender::Symlink,
            source.real_path(),
            target.real_path(),
        ));
        Ok(())
    }

    /// Makes the link; the file is looked at again, since it may be written meanwhile.
    async fn link_counted(
        &self,
        source: &dyn ResolvedPath,
        making: &Permit,
        target: &dyn ResolvedPath,
    ) -> Result<UsageDelta, Fault> {
        let mut open = self.shared.open_files.lock().await;
        let again = self.place_again(making, Links::Keep).await?;
        let target = again.as_deref().unwrap_or(target);
        self.permit_at(Operation::Upload, making.path(), target)?;
        source.make_hard_link(target).await?;
        match target.stat().await {
            Ok(metadata) => Ok(open.link(&metadata)),
            Err(_) => Ok(UsageDelta::default().doubted()),
        }
    }
}
