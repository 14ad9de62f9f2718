//! What all connections of a node share: settings, keys, the control plane, live sessions.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ferryd_control_plane::{ConnectionId, ControlPlane, NodeId, TransferId};
use ferryd_domain::Fault;

use crate::config::SftpdConfig;
use crate::files::tally::Tallies;
use crate::files::throttle::Throttles;
use crate::hosted::Hosted;
use crate::outbox::Outbox;
use crate::session::registry::Registry;
use crate::budget::Budget;
use crate::ssh::offers::Offers;
use crate::sweep::Sweep;

/// Bytes that waiting requests and replies of all connections may take.
const REPLY_BUDGET: usize = 128 << 20;

/// What all connections of a node share.
pub(crate) struct NodeContext {
    /// Section `sftpd`.
    pub config: SftpdConfig,
    /// This run of the node.
    pub node: NodeId,
    /// Accounts, sessions, quota. Its calls run on the runtime of the process, not on the
    /// threads of the connections.
    pub control: Arc<dyn ControlPlane>,
    /// Usage changes and events on their way to the control plane.
    pub outbox: Outbox,
    /// Live sessions.
    pub registry: Registry,
    /// What is offered to clients in the key exchange.
    pub offers: Offers,
    /// Text that clients see before they log in.
    pub banner: Option<String>,
    /// Memory for waiting replies, over all connections.
    pub reply_budget: Arc<Budget>,
    /// Bandwidth of accounts, over all their sessions on this node.
    pub throttles: Throttles,
    /// What files that are being written amount to, over all sessions of an account on this node.
    pub tallies: Tallies,
    /// Removes what earlier runs left behind.
    pub sweep: Sweep,
    /// Panics that a test asks for.
    #[cfg(test)]
    pub defects: crate::defects::Defects,
    next_id: AtomicU64,
}

impl fmt::Debug for NodeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeContext").field("node", &self.node).finish_non_exhaustive()
    }
}

impl NodeContext {
    /// Prepares a node; must be called on the runtime that the control plane belongs to.
    ///
    /// # Errors
    /// `InvalidInput` for algorithms that do not exist; faults of the host keys.
    pub fn build(
        config: SftpdConfig,
        config_dir: &Path,
        control: Arc<dyn ControlPlane>,
    ) -> Result<Self, Fault> {
        let keys = crate::host_keys::load(&config, config_dir)?;
        let offers = Offers::build(&config, keys)?;
        let banner = crate::ssh::banner::load(&config.login_banner_file, config_dir);
        Ok(Self::of(config, offers, banner, control))
    }

    /// Puts a node together; must be called on the runtime that the control plane belongs to.
    pub fn of(
        config: SftpdConfig,
        offers: Offers,
        banner: Option<String>,
        control: Arc<dyn ControlPlane>,
    ) -> Self {
        Self {
            node: NodeId(hex::encode(rand::random::<[u8; 8]>())),
            outbox: Outbox::start(Arc::clone(&control)),
            control: Arc::new(Hosted::new(control)),
            registry: Registry::default(),
            offers,
            banner,
            reply_budget: Arc::new(Budget::new(REPLY_BUDGET)),
            throttles: Throttles::default(),
            tallies: Tallies::default(),
            sweep: Sweep::start(),
            #[cfg(test)]
            defects: crate::defects::Defects::default(),
            next_id: AtomicU64::new(0),
            config,
        }
    }

    /// Returns an id for a new connection, unique over all nodes.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.new_id())
    }

    /// Returns an id for a new transfer, unique over all nodes.
    pub fn new_transfer(&self) -> TransferId {
        TransferId(self.new_id())
    }

    /// Returns an id in hexadecimal digits, unique over all nodes.
    pub fn new_id(&self) -> String {
        format!("{}{:08x}", self.node.0, self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Returns how long running transfers may go on after the signal to stop.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.config.drain_timeout)
    }
}
