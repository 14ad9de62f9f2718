//! Nodes: how they are attached, what they are told to do, what they report.

use ferryd_domain::{Account, QuotaUsage, Username};
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{ConnectionId, NodeId, SessionStatus};

/// Identifies one quota scan.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ScanId(pub String);

/// What a node says of itself when it attaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// This run of the node.
    pub node: NodeId,
    /// Its version, for the log.
    pub version: String,
    /// The sessions that it has, so that a restarted control plane finds them again.
    pub sessions: Vec<SessionStatus>,
}

/// What a node is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeCommand {
    /// Report now, with this number.
    Report {
        /// Copied into the report.
        number: u64,
    },
    /// Close this connection at once.
    CloseConnection(ConnectionId),
    /// Count what an account stores.
    ScanQuota {
        /// Copied into the outcome.
        scan: ScanId,
        /// Whose files.
        account: Box<Account>,
    },
    /// Remove temporary upload files that an earlier run of a node left behind.
    SweepUploads {
        /// Where: only its name and its directories are told.
        account: Box<Account>,
    },
}

/// The commands for a node; the end of the stream means that the control plane went away.
pub type NodeCommands = BoxStream<'static, NodeCommand>;

/// What a node is doing. Sent when asked for and at least every few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// This run of the node.
    pub node: NodeId,
    /// The number of the command that asked, 0 for none.
    pub number: u64,
    /// Every session.
    pub sessions: Vec<SessionStatus>,
}

/// What a scan has counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanOutcome {
    /// Which scan.
    pub scan: ScanId,
    /// Whose files.
    pub username: Username,
    /// What they amount to, `None` when they could not be counted.
    pub usage: Option<QuotaUsage>,
}
