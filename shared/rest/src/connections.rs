//! `GET /connection`: who is connected and what is transferred.

use serde::{Deserialize, Serialize};

/// One connection. Times are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectionStatus {
    /// Whose.
    pub username: String,
    /// Unique.
    pub connection_id: String,
    /// Identification line of the client, `SSH-2.0-` included.
    pub client_version: String,
    /// `ip:port`, IPv6 in brackets.
    pub remote_address: String,
    /// When it began.
    pub connection_time: i64,
    /// When something last happened.
    pub last_activity: i64,
    /// `SFTP`, `SCP`, `SSH`.
    pub protocol: String,
    /// What is transferred now; never null.
    pub active_transfers: Vec<Transfer>,
    /// The full command line of SSH and SCP, else empty.
    pub ssh_command: String,
}

/// One transfer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transfer {
    /// `upload` or `download`.
    pub operation_type: String,
    /// As the client sees it; U+FFFD stands for bytes that are not UTF-8.
    pub path: String,
    /// The bytes of the path in base64, left out when `path` is exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// When it began.
    pub start_time: i64,
    /// When something last happened.
    pub last_activity: i64,
    /// Bytes so far.
    pub size: u64,
}
