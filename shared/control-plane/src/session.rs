//! Sessions: places taken by connections, and what they are doing.

use std::net::SocketAddr;
use std::time::Duration;

use ferryd_domain::policy::LoginMethod;
use ferryd_domain::{RawPath, Username};

use crate::{ConnectionId, NodeId};

/// A connection that has proved its credential and wants a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStart {
    /// The connection that the session belongs to.
    pub connection: ConnectionId,
    /// The node that serves it.
    pub node: NodeId,
    /// The account that is logged in.
    pub username: Username,
    /// How it logged in.
    pub method: LoginMethod,
    /// From where, after any PROXY header.
    pub client_address: SocketAddr,
    /// Identification line of the client, e.g. `SSH-2.0-OpenSSH_9.2`.
    pub client_version: String,
}

/// When a session got its place and under which limit. Nodes copy it from the lease into their
/// reports, so that a control plane that has lost it learns it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admission {
    /// Unix milliseconds of the control plane; 0 when nothing is known.
    pub at: i64,
    /// `max_sessions` of the account at that time; 0 or less for no limit.
    pub max_sessions: i32,
}

/// A place that a session holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLease {
    /// The connection that holds it.
    pub connection: ConnectionId,
    /// When it got it.
    pub admission: Admission,
    /// The place is free again when the node has not reported for this long.
    pub lifetime: Duration,
}

/// A connection as `GET /connection` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStatus {
    /// The connection that the session belongs to.
    pub connection: ConnectionId,
    /// The account that is logged in.
    pub username: Username,
    /// When it got its place.
    pub admission: Admission,
    /// Identification line of the client.
    pub client_version: String,
    /// From where.
    pub client_address: SocketAddr,
    /// Unix milliseconds.
    pub connected_at: i64,
    /// Unix milliseconds.
    pub last_activity: i64,
    /// `SFTP`, `SCP` or `SSH`; `None` while no channel runs anything (such a session is not
    /// listed, but holds its place).
    pub protocol: Option<String>,
    /// Running transfers.
    pub transfers: Vec<TransferStatus>,
    /// Command line of SSH and SCP channels.
    pub ssh_command: String,
}

/// Which way a transfer goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferDirection {
    /// From the client.
    Upload,
    /// To the client.
    Download,
}

impl TransferDirection {
    /// Returns the name in REST.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Download => "download",
        }
    }
}

/// A transfer that is running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferStatus {
    /// Which way.
    pub direction: TransferDirection,
    /// The path as the client sees it.
    pub path: RawPath,
    /// Unix milliseconds.
    pub started_at: i64,
    /// Unix milliseconds.
    pub last_activity: i64,
    /// Bytes so far.
    pub size: u64,
}
