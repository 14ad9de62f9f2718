//! Attributes, real paths, link targets and the size of the storage.

use ferryd_domain::{Fault, FaultKind, Operation, VirtualPath};
use ferryd_storage::{LinkTarget, Links, Metadata, Space};

use super::{UserFiles, Visible};

impl UserFiles {
    /// Returns the clean absolute form of a path, whether it exists or not.
    ///
    /// # Errors
    /// `InvalidInput` for a path that cannot be one.
    pub fn real_path(&self, raw: &[u8]) -> Result<VirtualPath, Fault> {
        VirtualPath::parse(raw)
    }

    pub(super) async fn try_stat(&self, raw: &[u8], links: Links) -> Result<Visible, Fault> {
        let path = VirtualPath::parse(raw)?;
        match self.listed(&path, links).await {
            Err(fault) if fault.kind() == FaultKind::PermissionDenied => {
                self.size_of_written(&path, links).await.map(Visible::Size).ok_or(fault)
            }
            metadata => metadata.map(Visible::All),
        }
    }

    /// Returns the attributes of an entry that may be listed.
    pub(super) async fn listed(&self, path: &VirtualPath, links: Links) -> Result<Metadata, Fault> {
        let permit = self.permit(Operation::Stat, path)?;
        let resolved = self.resolve(&permit, links).await?;
        resolved.stat().await
    }

    /// Tells whether [`stat`](Self::stat) never waits, whatever the path.
    pub fn stats_at_once(&self) -> bool {
        self.shared.stats_at_once
    }

    pub(super) async fn try_read_link(&self, raw: &[u8]) -> Result<LinkTarget, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::ReadLink, &path)?;
        let resolved = self.resolve(&permit, Links::Keep).await?;
        resolved.read_link().await
    }

    /// Tells about an SSH command that has succeeded.
    pub async fn log_ssh_command(&self, name: &str, line: &str, path: Option<&VirtualPath>) {
        let resolved = match path {
            Some(path) => self.shared.storage.resolve(path, Links::Keep).await.ok(),
            None => None,
        };
        let shown = path.map(VirtualPath::as_bytes).unwrap_or_default();
        self.audit().ssh_command(name, line, shown, resolved.as_deref());
    }

    pub(super) async fn try_space(&self, raw: &[u8]) -> Result<Space, Fault> {
        let path = VirtualPath::parse(raw)?;
        let permit = self.permit(Operation::Stat, &path)?;
        let resolved = self.resolve(&permit, Links::Follow).await?;
        resolved.stat().await?;
        let space = resolved.space().await?;
        self.space_of_account(space).await
    }

    pub(super) async fn try_space_of_open(&self, mut path: VirtualPath) -> Result<Space, Fault> {
        loop {
            let space = self.try_space(path.as_bytes()).await;
            match space {
                Err(fault) if is_gone(&fault) && !path.is_root() => path = path.directory(),
                known => return known,
            }
        }
    }
}

/// Another one may have come to the name of a parent.
fn is_gone(fault: &Fault) -> bool {
    matches!(fault.kind(), FaultKind::NotFound | FaultKind::NotADirectory)
}
