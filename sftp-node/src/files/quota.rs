//! Room under the quota: reserved before bytes are stored, settled when they are.

use ferryd_control_plane::{GrantRequest, TransferId, UsageChange};
use ferryd_domain::{Fault, FaultKind};
use ferryd_storage::{Entry, Space};

use super::UserFiles;
use super::change_attributes::difference;

/// Room is asked for in steps that grow with the transfer, up to this many bytes. Stored bytes
/// never pass a limit; what a transfer may hold back from others is one step.
const LARGEST_STEP: u64 = 8 << 20;

/// What a transfer may still store.
pub(super) struct Room {
    files: UserFiles,
    transfer: TransferId,
    /// Bytes of growth that are granted; `u64::MAX` without a limit.
    granted: u64,
}

impl UserFiles {
    /// Starts a transfer that makes `new_files` files. Fails at once when nothing is left.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve(&self, new_files: u32) -> Result<Room, Fault> {
        let mut room = Room {
            files: self.clone(),
            transfer: self.shared.context.new_transfer(),
            granted: u64::MAX,
        };
        if self.shared.account.quota_limit().is_limited() {
            room.granted = room.ask(1, new_files).await?;
        }
        Ok(room)
    }

    /// Reserves room for a file that grows by this many bytes.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve_growth(&self, bytes: u64) -> Result<Room, Fault> {
        if bytes == 0 {
            let transfer = self.shared.context.new_transfer();
            return Ok(Room { files: self.clone(), transfer, granted: u64::MAX });
        }
        let mut room = self.reserve(0).await?;
        room.grow(bytes).await?;
        Ok(room)
    }

    /// Reserves room for one more file of this size.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve_copy(&self, bytes: u64) -> Result<Room, Fault> {
        let mut room = self.reserve(1).await?;
        room.grow(bytes).await?;
        Ok(room)
    }

    /// Accounts one more file of this size.
    pub(super) async fn settle_copy(&self, mut room: Room, bytes: u64) {
        room.settle(difference(0, bytes), 1).await;
    }

    /// Accounts a file that came (1) or went (-1).
    pub(super) async fn change_usage_of(&self, entry: &Entry, files: i64) {
        let size = difference(0, entry.size).saturating_mul(files);
        let transfer = self.shared.context.new_transfer();
        self.send_change(transfer, size, files).await;
    }

    async fn send_change(&self, transfer: TransferId, size: i64, files: i64) {
        let username = self.shared.account.username.clone();
        self.shared
            .context
            .outbox
            .change_usage(UsageChange { transfer, username, size, files })
            .await;
    }

    /// Returns the storage as the account sees it: with a quota, the quota is the disk.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn space_of_account(&self, mut space: Space) -> Result<Space, Fault> {
        let limit = self.shared.account.quota_limit();
        if !limit.is_limited() {
            return Ok(space);
        }
        let usage = self.shared.context.control.quota_usage(&self.shared.account.username).await?;
        let block = space.block_size.max(1);
        if let Some(left) = limit.remaining_bytes(usage) {
            space.blocks = u64::try_from(limit.size).unwrap_or(0) / block;
            space.blocks_free = space.blocks_available.min(left / block);
            space.blocks_available = space.blocks_free;
        }
        if limit.files > 0 {
            space.files = u64::try_from(limit.files).unwrap_or(0);
            let left = limit.files.saturating_sub(usage.files).max(0);
            space.files_free = u64::try_from(left).unwrap_or(0);
        }
        Ok(space)
    }
}

impl Room {
    /// Makes sure that the file may have grown by this many bytes in all.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub async fn grow(&mut self, total: u64) -> Result<(), Fault> {
        if total <= self.granted {
            return Ok(());
        }
        let need = total - self.granted;
        let step = need.max(self.granted.min(LARGEST_STEP));
        let more = self.ask(step, 0).await?;
        self.granted = self.granted.saturating_add(more);
        if total <= self.granted { Ok(()) } else { Err(exceeded()) }
    }

    async fn ask(&self, bytes: u64, files: u32) -> Result<u64, Fault> {
        let shared = &self.files.shared;
        let request = GrantRequest {
            transfer: self.transfer.clone(),
            connection: shared.connection.clone(),
            username: shared.account.username.clone(),
            bytes,
            files,
        };
        let grant = shared.context.control.reserve(request).await;
        match grant {
            Ok(grant) => Ok(grant.bytes),
            Err(fault) if fault.kind() == FaultKind::QuotaExceeded => Err(exceeded()),
            Err(fault) => Err(fault),
        }
    }

    /// Accounts what has changed and gives back what was not used.
    pub async fn settle(&mut self, size: i64, files: i64) {
        let reserved = self.granted != u64::MAX;
        if size != 0 || files != 0 || reserved {
            self.files.send_change(self.transfer.clone(), size, files).await;
        }
    }
}

fn exceeded() -> Fault {
    Fault::new(FaultKind::QuotaExceeded, "quota exceeded")
}
