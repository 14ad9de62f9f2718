//! Room under the quota: reserved before bytes are stored, settled when they are.

use ferryd_control_plane::{GrantRequest, TransferId, UsageChange};
use ferryd_domain::{Fault, FaultKind};
use ferryd_storage::Space;

use super::UserFiles;
use super::tally::Delta;

/// Room is asked for in steps that grow with the transfer, up to this many bytes. Stored bytes
/// never pass a limit; what a transfer may hold back from others is one step.
const LARGEST_STEP: u64 = 8 << 20;

/// What a transfer may still store.
pub(super) struct Room {
    files: UserFiles,
    transfer: TransferId,
    /// Bytes of growth that are granted; `u64::MAX` without a limit on bytes.
    granted: u64,
    /// Whether it may make a file.
    file: bool,
    held: Held,
}

/// Whether the control plane keeps something for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// Bytes or a file, until the transfer is settled.
    Something,
    /// Nothing: the account has no limit, or the transfer is settled.
    Nothing,
}

impl UserFiles {
    /// Starts a transfer that makes `new_files` files. Fails at once when nothing is left.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve(&self, new_files: u32) -> Result<Room, Fault> {
        let mut room = self.room();
        let limit = self.shared.account.quota_limit();
        if limit.is_limited() {
            room.granted = room.ask(1, new_files).await?;
            room.file = new_files > 0 || limit.files <= 0;
        }
        Ok(room)
    }

    /// Reserves room for a file that grows by this many bytes.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve_growth(&self, bytes: u64) -> Result<Room, Fault> {
        if bytes == 0 {
            return Ok(self.room());
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

    fn room(&self) -> Room {
        Room {
            files: self.clone(),
            transfer: self.shared.context.new_transfer(),
            granted: u64::MAX,
            file: true,
            held: Held::Nothing,
        }
    }

    /// Accounts a change of names or sizes that needed no room.
    pub(super) async fn account_for(&self, delta: Delta) {
        self.room().settle(delta).await;
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
        self.shared.context.outbox.all_told().await;
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

    async fn ask(&mut self, bytes: u64, files: u32) -> Result<u64, Fault> {
        // An answer that is lost on the way may have been a grant.
        self.held = Held::Something;
        let shared = &self.files.shared;
        let request = GrantRequest {
            transfer: self.transfer.clone(),
            connection: shared.connection.clone(),
            username: shared.account.username.clone(),
            bytes,
            files,
        };
        // What was removed a moment ago makes room.
        shared.context.outbox.all_told().await;
        let grant = shared.context.control.reserve(request).await;
        match grant {
            Ok(grant) => Ok(grant.bytes),
            Err(fault) if fault.kind() == FaultKind::QuotaExceeded => Err(exceeded()),
            Err(fault) => Err(fault),
        }
    }

    /// Makes sure that the transfer may make a file: the one that it was to replace has gone.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub async fn grow_by_a_file(&mut self) -> Result<(), Fault> {
        if !self.file {
            self.ask(0, 1).await?;
            self.file = true;
        }
        Ok(())
    }

    /// Tells whether the transfer may make a file without asking.
    pub fn has_file(&self) -> bool {
        self.file
    }

    /// Returns how far the transfer may grow without asking.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Accounts what has changed and gives back what was not used. Nobody waits for a change of
    /// nothing; it is told because the control plane looks after accounts that several nodes change.
    pub async fn settle(&mut self, delta: Delta) {
        let held = std::mem::replace(&mut self.held, Held::Nothing);
        let change = self.change(delta);
        let shared = &self.files.shared;
        match held {
            Held::Something => shared.context.outbox.change_usage(change).await,
            Held::Nothing if delta == Delta::default() => shared.context.outbox.mention(change),
            Held::Nothing => shared.context.outbox.count(change, &shared.pace).await,
        }
    }

    fn change(&self, delta: Delta) -> UsageChange {
        UsageChange {
            transfer: self.transfer.clone(),
            username: self.files.shared.account.username.clone(),
            size: delta.size,
            files: delta.files,
            certainty: delta.certainty,
        }
    }
}

impl Drop for Room {
    /// What an operation that failed did not give back would be held until the session ends.
    fn drop(&mut self) {
        if self.held == Held::Something {
            let change = self.change(Delta::default());
            self.files.shared.context.outbox.change_usage_later(change);
        }
    }
}

fn exceeded() -> Fault {
    Fault::new(FaultKind::QuotaExceeded, "quota exceeded")
}
