//! Making directories and links.

use ferryd_domain::{Fault, Operation, VirtualPath};
use ferryd_storage::{Links, Place};
use ferryd_telemetry::records::CommandSender;

use super::UserFiles;
use super::audit::Command;
use super::tally::Delta;

/// Mode of a new directory before the umask.
const DIRECTORY_MODE: u32 = 0o777;

/// What changes a file, by whichever of its names it is done.
const CHANGES: [Operation; 4] = [
    Operation::Overwrite,
    Operation::ChangeMode { directory: false },
    Operation::ChangeOwner { directory: false },
    Operation::ChangeTimes { directory: false },
];

impl UserFiles {
    pub(super) async fn try_make_directory(&self, raw: &[u8]) -> Result<(), Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::MakeDirectory, &path)?;
        let place = self.place(&permit, Links::Keep).await?;
        place.make_directory(DIRECTORY_MODE).await?;
        self.audit().command(&Command::at(CommandSender::Mkdir, place.as_ref()));
        Ok(())
    }

    pub(super) async fn try_make_symlink(&self, target: &[u8], link: &[u8]) -> Result<(), Fault> {
        let target = VirtualPath::parse(target)?;
        let link = VirtualPath::parse(link)?;
        if target.is_root() || self.shared.policy.folders().contains(&target) {
            return Err(Fault::denied());
        }
        let permit = self.permit(Operation::MakeLink, &link)?;
        let place = self.place(&permit, Links::Keep).await?;
        place.make_symlink(&target).await?;
        let shown = self.shared.storage.locate(&target, Links::Keep).await;
        let target = shown.map_or_else(|_| (&target).into(), |place| place.real_path());
        self.audit().command(&Command::between(CommandSender::Symlink, target, place.real_path()));
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
        let source = self.place(&reading, Links::Keep).await?;
        let target = self.place(&making, Links::Keep).await?;
        self.permit_at(Operation::Upload, &link, target.as_ref())?;
        for change in CHANGES {
            if self.permit(change, target.path()).is_ok() {
                self.permit(change, source.path())?;
            }
        }
        let entry = source.stat().await?;
        if entry.is_directory() {
            return Err(Fault::denied());
        }
        if !entry.is_file() {
            return Err(Fault::failed("only regular files can be linked"));
        }
        let mut room = self.reserve_copy(entry.size).await?;
        let delta = self.link_counted(source.as_ref(), target.as_ref()).await?;
        room.settle(delta).await;
        self.audit().command(&Command::between(
            CommandSender::Symlink,
            source.real_path(),
            target.real_path(),
        ));
        Ok(())
    }

    /// Makes the link; the file is looked at again, since it may be written meanwhile.
    async fn link_counted(&self, source: &dyn Place, target: &dyn Place) -> Result<Delta, Fault> {
        let mut open = self.shared.tally.lock().await;
        source.make_hard_link(target).await?;
        match target.stat().await {
            Ok(entry) => Ok(open.link(&entry)),
            Err(_) => Ok(Delta::default().doubted()),
        }
    }
}
