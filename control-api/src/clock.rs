//! The wall clock, in the unit that accounts and answers use.

use std::time::{SystemTime, UNIX_EPOCH};

/// Returns the Unix time in milliseconds; 0 on a machine whose clock stands before 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
