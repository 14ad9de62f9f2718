//! The time as logs, REST and the control plane want it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns Unix time in milliseconds.
pub(crate) fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
