//! Grants of running transfers.

use ferryd_domain::{QuotaLimit, QuotaUsage, Username};

use crate::{ConnectionId, Grant, GrantRequest, TransferId};

/// Every grant that has not ended.
#[derive(Debug, Default)]
pub(super) struct Grants(Vec<(GrantRequest, QuotaUsage)>);

impl Grants {
    /// Returns what is reserved of an account.
    pub(super) fn of(&self, username: &Username) -> QuotaUsage {
        self.0
            .iter()
            .filter(|(request, _)| request.username == *username)
            .fold(QuotaUsage::default(), |sum, (_, room)| sum.changed_by(room.size, room.files))
    }

    /// Grants what is left; `None` when nothing is.
    pub(super) fn reserve(
        &mut self,
        request: &GrantRequest,
        limit: QuotaLimit,
        usage: QuotaUsage,
    ) -> Option<Grant> {
        let reserved = self.of(&request.username);
        let usage = usage.changed_by(reserved.size, reserved.files);
        let allowed = limit.allows(usage, request.bytes, request.files);
        let left = limit.remaining_bytes(usage);
        let bytes = left.map_or(0, |left| left.min(request.bytes));
        let room = QuotaUsage {
            size: i64::try_from(bytes).unwrap_or(i64::MAX),
            files: i64::from(request.files),
        };
        allowed.then(|| {
            self.0.push((request.clone(), room));
            Grant { bytes: left.map_or(u64::MAX, |_| bytes), files: request.files }
        })
    }

    /// Ends the grants of a transfer.
    pub(super) fn end(&mut self, transfer: &TransferId) {
        self.0.retain(|(request, _)| request.transfer != *transfer);
    }

    /// Ends the grants of a session.
    pub(super) fn end_session(&mut self, connection: &ConnectionId) {
        self.0.retain(|(request, _)| request.connection != *connection);
    }
}
