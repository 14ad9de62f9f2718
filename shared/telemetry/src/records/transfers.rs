//! Transfers that succeeded.

use std::time::Duration;

use super::{millis, write_record};
use crate::Direction;
use crate::line::LoggedPath;

/// A transfer that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct TransferRecord<'a> {
    /// Which way.
    pub direction: Direction,
    /// From open to close.
    pub elapsed: Duration,
    /// Bytes that were transferred.
    pub size_bytes: u64,
    /// Whose.
    pub username: &'a str,
    /// Path in the file system; of an atomic upload the final one.
    pub file_path: &'a [u8],
    /// In which connection.
    pub connection_id: &'a str,
    /// `SFTP` or `SCP`.
    pub protocol: &'a str,
}

/// Writes a transfer record.
pub fn transfer(record: &TransferRecord<'_>) {
    let file_path = LoggedPath::new(record.file_path);
    write_record!(
        info, "transfer",
        sender: record.direction.sender(),
        elapsed_ms: millis(record.elapsed),
        size_bytes: record.size_bytes,
        username: record.username,
        file_path: file_path.text(),
        file_path_base64: file_path.base64(),
        connection_id: record.connection_id,
        protocol: record.protocol,
    );
}
