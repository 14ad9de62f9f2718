//! Reservations under the quota: made before bytes are stored, settled when they are.

use ferryd_control_plane::{Grant, GrantRequest, TransferId, UsageChange};
use ferryd_domain::{Fault, FaultKind};
use ferryd_storage::Space;
use tokio::time::Instant;

use super::UserFiles;
use super::grant_cache::CachedGrant;
use super::open_files::UsageDelta;

/// Grants are asked for in steps that grow with the transfer, up to this many bytes. What a transfer
/// may hold back from others is one step, and no more than that can stored bytes pass a limit: when
/// another session ends its transfer of a file that is still written, what was granted for the
/// bytes that it counts is granted once more.
const LARGEST_STEP: u64 = 8 << 20;

/// What a transfer may still store.
pub(super) struct Reservation {
    files: UserFiles,
    transfer: TransferId,
    /// Bytes of growth that are granted; `u64::MAX` without a limit on bytes.
    granted: u64,
    /// Files that it may make; `u32::MAX` without a limit on files.
    granted_files: u32,
    /// When it was granted.
    since: Instant,
    outstanding: Outstanding,
}

/// Whether the control plane keeps something for a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outstanding {
    /// Bytes or a file, until the transfer is settled.
    Grant,
    /// Nothing: the account has no limit, or the transfer is settled.
    Nothing,
}

impl UserFiles {
    /// Starts a transfer that makes `new_files` files. Fails at once when nothing is left.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve(&self, new_files: u32) -> Result<Reservation, Fault> {
        let limit = self.shared.account.quota_limit();
        if !limit.is_limited() {
            return Ok(self.unreserved());
        }
        if let Some(cached) = self.shared.grant_cache.take() {
            return Ok(self.reservation_of(cached));
        }
        let mut reservation = self.unreserved();
        let grant = reservation.ask(1, new_files).await?;
        reservation.granted = grant.bytes;
        // A control plane that is older grants what it is asked for and does not say it.
        reservation.granted_files =
            if limit.files > 0 { grant.files.max(new_files) } else { u32::MAX };
        Ok(reservation)
    }

    /// Gives back at once what is kept for the next uploads; tells whether there was something.
    pub async fn give_back_cached_grants(&self) -> bool {
        let cached = self.shared.grant_cache.take_all();
        for cached in &cached {
            self.shared.context.outbox.change_usage(self.end_of(&cached.transfer)).await;
        }
        !cached.is_empty()
    }

    fn reservation_of(&self, cached: CachedGrant) -> Reservation {
        Reservation {
            files: self.clone(),
            transfer: cached.transfer,
            granted: cached.bytes,
            granted_files: cached.files,
            since: cached.since,
            outstanding: Outstanding::Grant,
        }
    }

    /// A change of nothing, which ends the grants of a transfer.
    fn end_of(&self, transfer: &TransferId) -> UsageChange {
        self.change(transfer.clone(), UsageDelta::default())
    }

    fn change(&self, transfer: TransferId, delta: UsageDelta) -> UsageChange {
        UsageChange {
            transfer,
            username: self.shared.account.username.clone(),
            size: delta.size,
            files: delta.files,
            certainty: delta.certainty,
        }
    }

    /// Reserves room for a file that grows by this many bytes.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve_growth(&self, bytes: u64) -> Result<Reservation, Fault> {
        if bytes == 0 {
            return Ok(self.unreserved());
        }
        let mut reservation = self.reserve(0).await?;
        reservation.grow(bytes).await?;
        Ok(reservation)
    }

    /// Reserves room for one more file of this size.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub(super) async fn reserve_copy(&self, bytes: u64) -> Result<Reservation, Fault> {
        let mut reservation = self.reserve(1).await?;
        reservation.grow(bytes).await?;
        Ok(reservation)
    }

    fn unreserved(&self) -> Reservation {
        Reservation {
            files: self.clone(),
            transfer: self.shared.context.new_transfer(),
            granted: u64::MAX,
            granted_files: u32::MAX,
            since: Instant::now(),
            outstanding: Outstanding::Nothing,
        }
    }

    /// Accounts a change of names or sizes that needed no room.
    pub(super) async fn account_for(&self, delta: UsageDelta) {
        self.unreserved().settle(delta).await;
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

impl Reservation {
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
        let more = self.ask(step, 0).await?.bytes;
        self.granted = self.granted.saturating_add(more);
        if total <= self.granted { Ok(()) } else { Err(exceeded()) }
    }

    /// Asks for more, once again after giving back what the session keeps for its next uploads.
    async fn ask(&mut self, bytes: u64, files: u32) -> Result<Grant, Fault> {
        match self.ask_once(bytes, files).await {
            Err(fault)
                if fault.kind() == FaultKind::QuotaExceeded
                    && self.files.give_back_cached_grants().await =>
            {
                self.ask_once(bytes, files).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&mut self, bytes: u64, files: u32) -> Result<Grant, Fault> {
        // An answer that is lost on the way may have been a grant.
        self.outstanding = Outstanding::Grant;
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
        grant.map_err(|fault| match fault.kind() {
            FaultKind::QuotaExceeded => exceeded(),
            _ => fault,
        })
    }

    /// Makes sure that the transfer may make a file: the one that it was to replace has gone.
    ///
    /// # Errors
    /// `QuotaExceeded`, `Unavailable`.
    pub async fn grow_by_a_file(&mut self) -> Result<(), Fault> {
        if self.granted_files == 0 {
            self.granted_files = self.ask(0, 1).await?.files.max(1);
        }
        Ok(())
    }

    /// Tells whether the transfer may make a file without asking.
    pub fn has_file(&self) -> bool {
        self.granted_files > 0
    }

    /// Returns how far the transfer may grow without asking.
    pub fn granted(&self) -> u64 {
        self.granted
    }

    /// Accounts what has changed and gives back what was not used. Nobody waits for a change of
    /// nothing; it is told because the control plane looks after accounts that several nodes change.
    pub async fn settle(&mut self, delta: UsageDelta) {
        let held = std::mem::replace(&mut self.outstanding, Outstanding::Nothing);
        let shared = &self.files.shared;
        let outbox = &shared.context.outbox;
        let change = self.files.change(self.transfer.clone(), delta);
        match held {
            Outstanding::Nothing if delta == UsageDelta::default() => outbox.gather(change),
            Outstanding::Nothing if outbox.gathers(&shared.pace) => outbox.gather(change),
            Outstanding::Nothing => outbox.change_usage(change).await,
            Outstanding::Grant => {
                match self.left_after(delta).filter(|_| outbox.gathers(&shared.pace)) {
                    Some(cached) => self.cache_grant(cached, delta),
                    None => outbox.change_usage(change).await,
                }
            }
        }
    }

    /// Returns what another upload could use of the grant once this one has changed so much.
    fn left_after(&self, delta: UsageDelta) -> Option<CachedGrant> {
        let cached = CachedGrant {
            transfer: self.transfer.clone(),
            bytes: less(self.granted, delta.size),
            files: u32::try_from(less(self.granted_files.into(), delta.files)).unwrap_or(u32::MAX),
            since: self.since,
        };
        cached.is_useful().then_some(cached)
    }

    /// Accounts under an id of its own, so that the grant goes on.
    fn cache_grant(&self, cached: CachedGrant, delta: UsageDelta) {
        let shared = &self.files.shared;
        let change = self.files.change(shared.context.new_transfer(), delta);
        shared.context.outbox.gather(change);
        let files = self.files.clone();
        shared.grant_cache.keep(cached, move |cached| {
            files.shared.context.outbox.change_usage_later(files.end_of(&cached.transfer));
        });
    }
}

impl Drop for Reservation {
    /// What an operation that failed did not give back would be held until the session ends.
    fn drop(&mut self) {
        if self.outstanding == Outstanding::Grant {
            let change = self.files.end_of(&self.transfer);
            self.files.shared.context.outbox.change_usage_later(change);
        }
    }
}

/// What is left of a grant after a growth; `MAX` is without a limit.
fn less(granted: u64, growth: i64) -> u64 {
    match granted {
        u64::MAX => u64::MAX,
        _ => granted.saturating_sub(u64::try_from(growth).unwrap_or(0)),
    }
}

fn exceeded() -> Fault {
    Fault::new(FaultKind::QuotaExceeded, "quota exceeded")
}
