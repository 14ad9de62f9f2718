//! Events that an action was not told of.

use super::write_record;
use crate::line::LoggedPath;

/// An event that was not told to an action: an attempt that failed, or an event that is dropped.
#[derive(Clone, Copy, Debug)]
pub struct ActionRecord<'a> {
    /// What happened.
    pub message: &'static str,
    /// Identifies the event.
    pub event: &'a str,
    /// Name of the action, as in `execute_on`.
    pub action: &'a str,
    /// The account of the event.
    pub username: &'a str,
    /// Path in the file system; empty for events of accounts.
    pub file_path: &'a [u8],
    /// Second path of a rename, else empty.
    pub target_path: &'a [u8],
    /// The program, else empty.
    pub program: &'a str,
    /// Host and port of the service, else empty; never the rest of its address.
    pub host: &'a str,
    /// 1 for the first attempt, 0 when there was none.
    pub attempt: u32,
    /// HTTP status of the answer.
    pub status: Option<u16>,
    /// Why.
    pub error: &'a str,
}

/// Writes an action record.
pub fn action(record: &ActionRecord<'_>) {
    let file_path = LoggedPath::new(record.file_path);
    let target_path = LoggedPath::new(record.target_path);
    write_record!(
        warn, "action",
        sender: "actions",
        connection_id: "",
        message: record.message,
        event: record.event,
        action: record.action,
        username: record.username,
        file_path: file_path.text(),
        file_path_base64: file_path.base64(),
        target_path: target_path.text(),
        target_path_base64: target_path.base64(),
        program: record.program,
        host: record.host,
        attempt: u64::from(record.attempt),
        status: record.status.map_or(-1, i64::from),
        error: record.error,
    );
}
