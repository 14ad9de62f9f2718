//! Quota: how much an account may store, and how much it stores.

use serde::{Deserialize, Serialize};

/// The limits of an account; 0 means none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaLimit {
    /// Bytes.
    pub size: i64,
    /// Files.
    pub files: i64,
}

impl QuotaLimit {
    /// Tells whether there is any limit.
    pub fn is_limited(self) -> bool {
        self.size > 0 || self.files > 0
    }

    /// Tells whether a transfer may be granted this many bytes and new files at this usage. A file
    /// alone may be made when no bytes are left: the transfer may hold the last ones itself.
    pub fn allows(self, usage: QuotaUsage, bytes: u64, files: u32) -> bool {
        let alone = files > 0 && bytes == 0;
        (alone || self.allows_bytes(usage)) && (files == 0 || self.allows_new_file(usage))
    }

    fn allows_bytes(self, usage: QuotaUsage) -> bool {
        self.size <= 0 || usage.size < self.size
    }

    fn allows_new_file(self, usage: QuotaUsage) -> bool {
        self.files <= 0 || usage.files < self.files
    }

    /// Returns how many bytes may still be stored, `None` without a limit.
    pub fn remaining_bytes(self, usage: QuotaUsage) -> Option<u64> {
        (self.size > 0).then(|| u64::try_from(self.size.saturating_sub(usage.size)).unwrap_or(0))
    }
}

/// What an account stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaUsage {
    /// Bytes in regular files.
    pub size: i64,
    /// Regular files.
    pub files: i64,
}

impl QuotaUsage {
    /// Returns this usage after a change; neither counter falls below zero.
    #[must_use]
    pub fn changed_by(self, size: i64, files: i64) -> Self {
        Self {
            size: self.size.saturating_add(size).max(0),
            files: self.files.saturating_add(files).max(0),
        }
    }

    /// Returns the larger of both counters.
    #[must_use]
    pub fn at_least(self, other: Self) -> Self {
        Self { size: self.size.max(other.size), files: self.files.max(other.files) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_reached_at_equality() {
        let limit = QuotaLimit { size: 10, files: 2 };
        let at = |size, files| QuotaUsage { size, files };
        assert!(limit.allows(at(9, 1), 1, 1));
        assert!(!limit.allows(at(9, 2), 1, 1) && !limit.allows(at(10, 1), 1, 1));
        assert!(!limit.allows(at(10, 0), 1, 0) && limit.allows(at(9, 5), 1, 0));
        assert!(limit.allows(at(10, 1), 0, 1) && !limit.allows(at(9, 2), 0, 1));
        assert_eq!(limit.remaining_bytes(at(4, 0)), Some(6));
        assert_eq!(limit.remaining_bytes(at(40, 0)), Some(0));
        assert_eq!(QuotaLimit::default().remaining_bytes(at(4, 0)), None);
    }

    #[test]
    fn counters_never_fall_below_zero() {
        assert_eq!(QuotaUsage::default().changed_by(-5, -1), QuotaUsage::default());
    }
}
