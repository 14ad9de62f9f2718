//! Times as the log shows them: local, without a zone.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike as _, Local};

thread_local! {
    /// The last second that was formatted; thousands of records share it.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
}

/// Appends the present time as `YYYY-MM-DDTHH:MM:SS.mmm`.
pub(crate) fn append_now(out: &mut Vec<u8>) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != now.as_secs() {
            *second = now.as_secs();
            *text = seconds(UNIX_EPOCH + Duration::from_secs(now.as_secs()));
        }
        out.extend_from_slice(text.as_bytes());
    });
    let mut millis = String::with_capacity(4);
    let _ = write!(millis, ".{:03}", now.subsec_millis());
    out.extend_from_slice(millis.as_bytes());
}

/// Returns a time as `YYYY-MM-DDTHH:MM:SS`; empty for one that no calendar shows.
pub(crate) fn seconds(time: SystemTime) -> String {
    local(time).map(|time| time.format("%Y-%m-%dT%H:%M:%S").to_string()).unwrap_or_default()
}

/// Returns a time as it stands in the names of rotated files.
pub(crate) fn file_stamp(time: SystemTime) -> String {
    local(time).map(|time| time.format("%Y-%m-%dT%H-%M-%S%.3f").to_string()).unwrap_or_default()
}

/// The conversions of chrono panic far outside of the calendar, and clients choose these times.
fn local(time: SystemTime) -> Option<DateTime<Local>> {
    let (seconds, nanos) = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => (i64::try_from(after.as_secs()).ok()?, after.subsec_nanos()),
        Err(before) => (-i64::try_from(before.duration().as_secs()).ok()?, 0),
    };
    let utc = DateTime::from_timestamp(seconds, nanos)?;
    (1..=9999).contains(&utc.year()).then(|| utc.with_timezone(&Local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_has_milliseconds_and_no_zone() {
        let mut out = Vec::new();
        append_now(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%dT%H:%M:%S%.3f").is_ok());
        assert_eq!(text.len(), 23);
    }

    #[test]
    fn a_time_outside_of_the_calendar_is_empty() {
        let far = UNIX_EPOCH.checked_add(Duration::from_secs(u64::from(u32::MAX) << 20));
        assert_eq!(far.map(seconds).unwrap_or_default(), "");
        assert_eq!(seconds(UNIX_EPOCH + Duration::from_secs(86_400 * 365)).len(), 19);
    }
}
