//! What the files of all sessions of a node share, and all that they know of the node.

use std::fmt;
use std::sync::Arc;

use ferryd_control_plane::{ControlPlane, TransferId};

use super::open_files::OpenFileTables;
use super::throttle::Throttles;
use crate::config::SftpdConfig;
use crate::ids::Ids;
use crate::outbox::Outbox;
use crate::sweep::Sweep;

/// What the files of all sessions share.
pub(crate) struct FilesContext {
    /// Section `sftpd`.
    pub config: Arc<SftpdConfig>,
    /// Quota. Its calls run on the runtime of the process.
    pub control: Arc<dyn ControlPlane>,
    /// Usage changes and events on their way to the control plane.
    pub outbox: Outbox,
    /// Bandwidth of accounts, over all their sessions on this node.
    pub throttles: Throttles,
    /// What files that are being written amount to, over all sessions of an account on this node.
    pub open_files: OpenFileTables,
    /// Removes what earlier runs left behind.
    pub sweep: Sweep,
    /// Ids of transfers and events.
    pub ids: Arc<Ids>,
}

impl fmt::Debug for FilesContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilesContext").field("node", &self.ids.node).finish_non_exhaustive()
    }
}

impl FilesContext {
    /// Returns an id for a new transfer, unique over all nodes.
    pub fn new_transfer(&self) -> TransferId {
        TransferId(self.ids.next())
    }
}
