//! Attributes to set.

use std::time::SystemTime;

/// Attributes to set on an entry; `None` stays as it is. Applied in the order size, mode,
/// owner, times (a change of owner clears setuid bits, times come last so that they stand).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    /// Bytes.
    pub size: Option<u64>,
    /// Permission bits, 0o777 at most.
    pub permissions: Option<u32>,
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Time of the last access.
    pub accessed: Option<SystemTime>,
    /// Time of the last change.
    pub modified: Option<SystemTime>,
}
