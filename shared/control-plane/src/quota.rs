//! Usage changes and reservations. A node may cache a grant, never a counter.

use ferryd_domain::Username;
use serde::{Deserialize, Serialize};

use crate::ConnectionId;

/// Identifies one transfer (or other change of what is stored) over all nodes and restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TransferId(pub String);

/// A request for room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// For which transfer.
    pub transfer: TransferId,
    /// In which session; its grants end with it.
    pub connection: ConnectionId,
    /// Whose quota.
    pub username: Username,
    /// Bytes wanted on top of what the transfer has.
    pub bytes: u64,
    /// New files wanted on top of what the transfer has: 0 or 1.
    pub files: u32,
}

/// Room that was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Bytes that may be stored; fewer than asked for near the limit, perhaps more far from it,
    /// `u64::MAX` without a limit.
    pub bytes: u64,
    /// New files that may be made: as many as asked for, perhaps more far from the limit.
    pub files: u32,
}

/// What a finished transfer, a removal or an attribute change did to the usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageChange {
    /// Makes the change count once however often it is sent.
    pub transfer: TransferId,
    /// Whose usage.
    pub username: Username,
    /// Bytes more or fewer.
    pub size: i64,
    /// Files more or fewer.
    pub files: i64,
    /// Whether the counters are right once this is added.
    pub certainty: Certainty,
}

/// How well a node knows what a change amounts to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Certainty {
    /// The change is exact, if no other node changes the same files.
    #[default]
    Exact,
    /// Something was lost, came late or could not be looked at: the account is to be counted anew.
    Doubtful,
}

impl Certainty {
    /// Returns that of two changes together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match self {
            Self::Exact => other,
            Self::Doubtful => Self::Doubtful,
        }
    }
}
