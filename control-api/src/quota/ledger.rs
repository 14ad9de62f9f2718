//! What is not in the store: changes that wait to be written and grants of running transfers.

use std::collections::HashMap;
use std::time::Duration;

use ferryd_control_plane::{ConnectionId, Grant, GrantRequest, TransferId, UsageChange};
use ferryd_domain::{QuotaLimit, QuotaUsage, Username};
use tokio::time::Instant;

use super::Recent;
use crate::sessions::LIFETIME;

/// Changes that are recognized when they are sent again, at least.
const REMEMBERED: usize = 28_672;

/// How long a change that would lead below zero waits for its counterpart.
const DEBT_LIFETIME: Duration = Duration::from_secs(60);

/// A transfer gets up to this many bytes more than it asks for,
const LARGEST_GIFT: u64 = 256 << 10;
/// but no larger part than this of what is left.
const GIFT_PART: u64 = 1024;
/// The same for files.
const LARGEST_GIFT_OF_FILES: u32 = 64;
const GIFT_PART_OF_FILES: u32 = 1024;

/// Bytes and files more or fewer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Delta {
    pub(super) size: i64,
    pub(super) files: i64,
}

impl Delta {
    /// Splits into what can be added to counters without passing zero, and the rest.
    pub(super) fn split_at(self, stored: QuotaUsage) -> (Self, Self) {
        let now = Self {
            size: self.size.max(stored.size.saturating_neg()),
            files: self.files.max(stored.files.saturating_neg()),
        };
        (now, Self { size: self.size - now.size, files: self.files - now.files })
    }

    fn add(&mut self, other: Self) {
        self.size = self.size.saturating_add(other.size);
        self.files = self.files.saturating_add(other.files);
    }
}

/// Changes and grants.
#[derive(Debug)]
pub(super) struct Ledger {
    pending: HashMap<Username, Delta>,
    /// What could not be subtracted from counters yet: its counterpart is still on the way.
    debts: HashMap<Username, (Delta, Instant)>,
    grants: HashMap<TransferId, Reserved>,
    /// The sum of the grants of each user.
    reserved: HashMap<Username, Delta>,
    settled: Recent,
}

#[derive(Debug)]
struct Reserved {
    username: Username,
    connection: ConnectionId,
    room: Delta,
    since: Instant,
}

/// Returns how much of what is left a transfer gets. A small file shall not have to ask twice, and
/// what it does not need shall not be missed: it is a small part of what is left.
fn granted(asked: u64, left: u64) -> u64 {
    left.min(asked.max(LARGEST_GIFT.min(left / GIFT_PART)))
}

/// The same for files; who makes none gets none.
fn granted_files(asked: u32, limit: QuotaLimit, usage: QuotaUsage) -> u32 {
    if asked == 0 {
        return 0;
    }
    if limit.files <= 0 {
        return asked.max(LARGEST_GIFT_OF_FILES);
    }
    let left = u32::try_from(limit.files.saturating_sub(usage.files)).unwrap_or(u32::MAX);
    asked.max(LARGEST_GIFT_OF_FILES.min(left / GIFT_PART_OF_FILES))
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            pending: HashMap::new(),
            debts: HashMap::new(),
            grants: HashMap::new(),
            reserved: HashMap::new(),
            settled: Recent::new(REMEMBERED),
        }
    }
}

impl Ledger {
    /// Tells whether nothing waits to be written.
    pub(super) fn is_written(&self) -> bool {
        self.pending.is_empty()
    }

    /// Takes the changes, and what those users owe.
    pub(super) fn take_pending(&mut self) -> HashMap<Username, Delta> {
        let mut pending = std::mem::take(&mut self.pending);
        for (user, change) in &mut pending {
            if let Some((debt, _)) = self.debts.remove(user) {
                change.add(debt);
            }
        }
        pending
    }

    /// Keeps what could not be subtracted.
    pub(super) fn owe(&mut self, debts: Vec<(Username, Delta)>) {
        let now = Instant::now();
        for (user, debt) in debts.into_iter().filter(|(_, debt)| *debt != Delta::default()) {
            self.debts.entry(user).or_insert((Delta::default(), now)).0.add(debt);
        }
    }

    /// Forgets debts whose counterpart does not come.
    pub(super) fn forget_debts(&mut self) {
        self.debts.retain(|_, (_, since)| since.elapsed() < DEBT_LIFETIME);
    }

    pub(super) fn is_pending(&self, user: &Username) -> bool {
        self.pending.contains_key(user)
    }

    /// Takes back changes that could not be written.
    pub(super) fn put_back(&mut self, changes: HashMap<Username, Delta>) {
        for (user, change) in changes {
            self.pending.entry(user).or_default().add(change);
        }
    }

    /// Drops the changes that a scan has counted already, and returns what to store instead; those
    /// that come from now on are kept.
    pub(super) fn give_way(
        &mut self,
        user: &Username,
        stored: QuotaUsage,
        found: QuotaUsage,
        overtaken: impl Fn() -> bool,
    ) -> (QuotaUsage, HashMap<Username, Delta>) {
        let usage = match overtaken() {
            true => found.at_least(self.with_pending(user, stored)),
            false => found,
        };
        let mut forgotten = self.pending.remove(user).unwrap_or_default();
        if let Some((debt, _)) = self.debts.remove(user) {
            forgotten.add(debt);
        }
        (usage, HashMap::from([(user.clone(), forgotten)]))
    }

    pub(super) fn with_pending(&self, user: &Username, stored: QuotaUsage) -> QuotaUsage {
        let mut change = self.pending.get(user).copied().unwrap_or_default();
        if let Some((debt, _)) = self.debts.get(user) {
            change.add(*debt);
        }
        stored.changed_by(change.size, change.files)
    }

    /// Grants what is left up to what is asked for, or more where plenty is; `None` when nothing is.
    pub(super) fn reserve(
        &mut self,
        request: &GrantRequest,
        limit: QuotaLimit,
        stored: QuotaUsage,
    ) -> Option<Grant> {
        let reserved = self.reserved.get(&request.username).copied().unwrap_or_default();
        let usage =
            self.with_pending(&request.username, stored).changed_by(reserved.size, reserved.files);
        if !limit.allows(usage, request.bytes, request.files) {
            return None;
        }
        let left = limit.remaining_bytes(usage);
        let bytes = left.map_or(u64::MAX, |left| granted(request.bytes, left));
        let files = granted_files(request.files, limit, usage);
        // Without a limit on bytes only files count.
        self.add_grant(request, Grant { bytes: left.map_or(0, |_| bytes), files });
        Some(Grant { bytes, files })
    }

    /// Counts a change unless it was counted before; tells whether something is to be written.
    pub(super) fn change(&mut self, change: &UsageChange, counts: bool) -> bool {
        self.end_grant(&change.transfer);
        if !self.settled.insert(&change.transfer) || !counts {
            return false;
        }
        let delta = Delta { size: change.size, files: change.files };
        if delta == Delta::default() {
            return false;
        }
        self.pending.entry(change.username.clone()).or_default().add(delta);
        true
    }

    pub(super) fn end_session(&mut self, connection: &ConnectionId) {
        self.end_where(|grant| grant.connection == *connection);
    }

    /// Ends grants of sessions that are not known any more, or never were.
    pub(super) fn end_orphans(&mut self, is_live: impl Fn(&ConnectionId) -> bool) {
        self.end_where(|grant| grant.since.elapsed() > LIFETIME && !is_live(&grant.connection));
    }

    fn add_grant(&mut self, request: &GrantRequest, grant: Grant) {
        // A transfer that has ended holds nothing, however late its last request arrives.
        if self.settled.contains(&request.transfer) {
            return;
        }
        let room = Delta {
            size: i64::try_from(grant.bytes).unwrap_or(i64::MAX),
            files: i64::from(grant.files),
        };
        let grant = self.grants.entry(request.transfer.clone()).or_insert_with(|| Reserved {
            username: request.username.clone(),
            connection: request.connection.clone(),
            room: Delta::default(),
            since: Instant::now(),
        });
        grant.room.add(room);
        self.reserved.entry(request.username.clone()).or_default().add(room);
    }

    fn end_where(&mut self, ended: impl Fn(&Reserved) -> bool) {
        let transfers: Vec<_> = self
            .grants
            .iter()
            .filter(|(_, grant)| ended(grant))
            .map(|(transfer, _)| transfer.clone())
            .collect();
        for transfer in transfers {
            self.end_grant(&transfer);
        }
    }

    fn end_grant(&mut self, transfer: &TransferId) {
        let Some(grant) = self.grants.remove(transfer) else { return };
        if let Some(sum) = self.reserved.get_mut(&grant.username) {
            sum.add(Delta { size: -grant.room.size, files: -grant.room.files });
            if *sum == Delta::default() {
                self.reserved.remove(&grant.username);
            }
        }
    }
}
