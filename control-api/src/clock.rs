//! The wall clock, in the unit that accounts and answers use.

use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::account::public_key::Zone;

/// Returns the Unix time in milliseconds; 0 on a machine whose clock stands before 1970.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns the seconds since 1970 that a clock of a zone shows.
pub(crate) fn wall_seconds(zone: Zone) -> i64 {
    match zone {
        Zone::Utc => now_ms() / 1000,
        Zone::Local => chrono::Local::now().naive_local().and_utc().timestamp(),
    }
}
