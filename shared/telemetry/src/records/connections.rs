//! Who came, who got in, and how it ended. Ban filters depend on the record of failed connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{millis, write_record};

/// The login type of a connection that ended before any login attempt (spelled so since ever).
pub const NO_AUTH_TRIED: &str = "no_auth_tryed";

/// A connection that ended without a login, or one login attempt that was refused.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionFailedRecord<'a> {
    /// From where, after any PROXY header.
    pub client_ip: IpAddr,
    /// As the client gave it; empty before any attempt.
    pub username: &'a str,
    /// Name of the method, or [`NO_AUTH_TRIED`].
    pub login_type: &'a str,
    /// Why.
    pub error: &'a str,
}

/// Writes a failed connection. Always, also when debug lines are not wanted: ban filters live on it.
pub fn connection_failed(record: &ConnectionFailedRecord<'_>) {
    write_record!(
        debug, "connection failed",
        sender: "connection_failed",
        client_ip: &*address(record.client_ip),
        username: record.username,
        login_type: record.login_type,
        error: record.error,
    );
}

/// A login that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct LoginRecord<'a> {
    /// From where, after any PROXY header.
    pub client: SocketAddr,
    /// Whose.
    pub username: &'a str,
    /// Name of the method.
    pub login_type: &'a str,
    /// `SHA256:...` of the key that has signed, else empty.
    pub key_fingerprint: &'a str,
    /// Identification line of the client.
    pub client_version: &'a str,
    /// In which connection.
    pub connection_id: &'a str,
}

/// Writes a login.
pub fn login(record: &LoginRecord<'_>) {
    write_record!(
        info, "login",
        sender: "login",
        client_ip: &*address(record.client.ip()),
        client_port: record.client.port(),
        username: record.username,
        login_type: record.login_type,
        key_fingerprint: record.key_fingerprint,
        client_version: record.client_version,
        connection_id: record.connection_id,
    );
}

/// The end of a connection that has logged in.
#[derive(Clone, Copy, Debug)]
pub struct LogoutRecord<'a> {
    /// From where, after any PROXY header.
    pub client: SocketAddr,
    /// Whose.
    pub username: &'a str,
    /// Since the login.
    pub elapsed: Duration,
    /// Bytes of files that came from the client, those of broken uploads included.
    pub received_bytes: u64,
    /// Bytes of files that went to the client.
    pub sent_bytes: u64,
    /// Operations that failed, whether they have a line or not.
    pub failed_operations: u64,
    /// Who or what ended it.
    pub reason: &'a str,
    /// Which connection.
    pub connection_id: &'a str,
}

/// Writes the end of a connection that has logged in.
pub fn logout(record: &LogoutRecord<'_>) {
    write_record!(
        info, "logout",
        sender: "logout",
        client_ip: &*address(record.client.ip()),
        client_port: record.client.port(),
        username: record.username,
        elapsed_ms: millis(record.elapsed),
        received_bytes: record.received_bytes,
        sent_bytes: record.sent_bytes,
        failed_operations: record.failed_operations,
        reason: record.reason,
        connection_id: record.connection_id,
    );
}

fn address(ip: IpAddr) -> String {
    ip.to_canonical().to_string()
}
