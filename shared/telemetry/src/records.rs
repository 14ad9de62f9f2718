//! One function per kind of log record, so that field names and their order cannot drift.
//! Log readers and ban filters depend on both.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

pub use crate::Direction;
use crate::clock;
use crate::line::{Level, emit};
use crate::subscriber::{LogFormat, format};

/// The login type of a connection that ended before any login attempt (spelled so since ever).
pub const NO_AUTH_TRIED: &str = "no_auth_tryed";

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
    pub file_path: &'a str,
    /// In which connection.
    pub connection_id: &'a str,
    /// `SFTP` or `SCP`.
    pub protocol: &'a str,
}

/// Writes a transfer record.
pub fn transfer(record: &TransferRecord<'_>) {
    let sender = record.direction.sender();
    let elapsed_ms = millis(record.elapsed);
    if format() == LogFormat::Bunyan {
        tracing::info!(
            target: "ferryd_record", sender, elapsed_ms, size_bytes = record.size_bytes,
            username = record.username, file_path = record.file_path,
            connection_id = record.connection_id, protocol = record.protocol, "transfer"
        );
        return;
    }
    emit(Level::Info, |line| {
        line.text("sender", sender)
            .plain("elapsed_ms", elapsed_ms)
            .plain("size_bytes", record.size_bytes)
            .text("username", record.username)
            .text("file_path", record.file_path)
            .text("connection_id", record.connection_id)
            .text("protocol", record.protocol);
    });
}

/// What a command record tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CommandSender {
    /// A file or directory got another name.
    #[default]
    Rename,
    /// A directory was removed.
    Rmdir,
    /// A directory was made.
    Mkdir,
    /// A link was made.
    Symlink,
    /// A file was removed.
    Remove,
    /// Permission bits were set.
    Chmod,
    /// The owner was set.
    Chown,
    /// Times were set.
    Chtimes,
    /// A command of an exec channel has run.
    SshCommand,
}

impl CommandSender {
    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rename => "Rename",
            Self::Rmdir => "Rmdir",
            Self::Mkdir => "Mkdir",
            Self::Symlink => "Symlink",
            Self::Remove => "Remove",
            Self::Chmod => "Chmod",
            Self::Chown => "Chown",
            Self::Chtimes => "Chtimes",
            Self::SshCommand => "SSHCommand",
        }
    }
}

/// A command that succeeded.
#[derive(Clone, Copy, Debug)]
pub struct CommandRecord<'a> {
    /// Which command.
    pub sender: CommandSender,
    /// Whose.
    pub username: &'a str,
    /// Path in the file system (of an SSH command: as the client gave it).
    pub file_path: &'a str,
    /// Second path of a rename or link, else empty.
    pub target_path: &'a str,
    /// Permission bits like `-rw-------`, else empty.
    pub filemode: &'a str,
    /// New owner, else -1.
    pub uid: i64,
    /// New group, else -1.
    pub gid: i64,
    /// New access time.
    pub access_time: Option<SystemTime>,
    /// New modification time.
    pub modification_time: Option<SystemTime>,
    /// The full command line, else empty.
    pub ssh_command: &'a str,
    /// In which connection.
    pub connection_id: &'a str,
    /// `SFTP`, `SCP` or `SSH`.
    pub protocol: &'a str,
}

impl Default for CommandRecord<'_> {
    fn default() -> Self {
        Self {
            sender: CommandSender::default(),
            username: "",
            file_path: "",
            target_path: "",
            filemode: "",
            uid: -1,
            gid: -1,
            access_time: None,
            modification_time: None,
            ssh_command: "",
            connection_id: "",
            protocol: "",
        }
    }
}

/// Writes a command record.
pub fn command(record: &CommandRecord<'_>) {
    let sender = record.sender.name();
    let access_time = record.access_time.map(clock::seconds).unwrap_or_default();
    let modification_time = record.modification_time.map(clock::seconds).unwrap_or_default();
    if format() == LogFormat::Bunyan {
        tracing::info!(
            target: "ferryd_record", sender, username = record.username,
            file_path = record.file_path, target_path = record.target_path,
            filemode = record.filemode, uid = record.uid, gid = record.gid, access_time,
            modification_time, ssh_command = record.ssh_command,
            connection_id = record.connection_id, protocol = record.protocol, "command"
        );
        return;
    }
    emit(Level::Info, |line| {
        line.text("sender", sender)
            .text("username", record.username)
            .text("file_path", record.file_path)
            .text("target_path", record.target_path)
            .text("filemode", record.filemode)
            .plain("uid", record.uid)
            .plain("gid", record.gid)
            .text("access_time", &access_time)
            .text("modification_time", &modification_time)
            .text("ssh_command", record.ssh_command)
            .text("connection_id", record.connection_id)
            .text("protocol", record.protocol);
    });
}

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
    let client_ip = record.client_ip.to_canonical().to_string();
    if format() == LogFormat::Bunyan {
        tracing::debug!(
            target: "ferryd_record", sender = "connection_failed", client_ip,
            username = record.username, login_type = record.login_type, error = record.error,
            "connection failed"
        );
        return;
    }
    emit(Level::Debug, |line| {
        line.text("sender", "connection_failed")
            .text("client_ip", &client_ip)
            .text("username", record.username)
            .text("login_type", record.login_type)
            .text("error", record.error);
    });
}

/// An HTTP request that was answered.
#[derive(Clone, Copy, Debug)]
pub struct HttpRecord<'a> {
    /// Address and port of the client.
    pub remote_addr: &'a str,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub proto: &'a str,
    /// Method.
    pub method: &'a str,
    /// Header of this name.
    pub user_agent: &'a str,
    /// Scheme, host, path and query.
    pub uri: &'a str,
    /// Status of the answer.
    pub resp_status: u16,
    /// Bytes of the answer.
    pub resp_size: u64,
    /// From the request to the answer.
    pub elapsed: Duration,
    /// Identifies the request.
    pub request_id: &'a str,
}

/// Writes an HTTP record.
pub fn http(record: &HttpRecord<'_>) {
    let elapsed_ms = millis(record.elapsed);
    if format() == LogFormat::Bunyan {
        tracing::info!(
            target: "ferryd_record", sender = "httpd", remote_addr = record.remote_addr,
            proto = record.proto, method = record.method, user_agent = record.user_agent,
            uri = record.uri, resp_status = record.resp_status, resp_size = record.resp_size,
            elapsed_ms, request_id = record.request_id, "http request"
        );
        return;
    }
    emit(Level::Info, |line| {
        line.text("sender", "httpd")
            .text("remote_addr", record.remote_addr)
            .text("proto", record.proto)
            .text("method", record.method)
            .text("user_agent", record.user_agent)
            .text("uri", record.uri)
            .plain("resp_status", record.resp_status)
            .plain("resp_size", record.resp_size)
            .plain("elapsed_ms", elapsed_ms)
            .text("request_id", record.request_id);
    });
}

fn millis(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}
