//! Operations that were refused or have failed.

use super::write_record;

/// What made an operation fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The rules of the account: permissions, filters, quota. Nothing is wrong then.
    Rules,
    /// Anything else.
    Trouble,
}

/// An operation that was refused or has failed.
#[derive(Clone, Copy, Debug)]
pub struct OperationFailedRecord<'a> {
    /// What made it fail.
    pub obstacle: Obstacle,
    /// Its name.
    pub operation: &'a str,
    /// Whose.
    pub username: &'a str,
    /// Path as the account sees it.
    pub virtual_path: &'a str,
    /// Second path of a rename or link, else empty.
    pub virtual_target_path: &'a str,
    /// Bytes that a transfer has moved before.
    pub size_bytes: u64,
    /// In which connection.
    pub connection_id: &'a str,
    /// `SFTP`, `SCP` or `SSH`.
    pub protocol: &'a str,
    /// The cause.
    pub error: &'a str,
}

/// Writes an operation that has failed: as information when the account's rules refused it, else
/// as a warning.
pub fn operation_failed(record: &OperationFailedRecord<'_>) {
    macro_rules! write_at {
        ($level:ident) => {
            write_record!(
                $level, "operation failed",
                sender: "operation_failed",
                operation: record.operation,
                username: record.username,
                virtual_path: record.virtual_path,
                virtual_target_path: record.virtual_target_path,
                size_bytes: record.size_bytes,
                connection_id: record.connection_id,
                protocol: record.protocol,
                error: record.error,
            )
        };
    }
    match record.obstacle {
        Obstacle::Rules => write_at!(info),
        Obstacle::Trouble => write_at!(warn),
    }
}

/// Failures of a connection that have no line, because it had so many.
#[derive(Clone, Copy, Debug)]
pub struct FailuresLeftOutRecord<'a> {
    /// How many since the last line.
    pub left_out: u64,
    /// Whose.
    pub username: &'a str,
    /// In which connection.
    pub connection_id: &'a str,
}

/// Tells how many failures have no line.
pub fn failures_left_out(record: &FailuresLeftOutRecord<'_>) {
    write_record!(
        warn, "failures left out",
        sender: "failures_left_out",
        left_out: record.left_out,
        username: record.username,
        connection_id: record.connection_id,
    );
}
