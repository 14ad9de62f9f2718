//! What all connections of a node share: settings, keys, the control plane, live sessions.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{ConnectionId, ControlPlane, NodeId};
use ferryd_domain::Fault;

use crate::budget::Budget;
use crate::config::SftpdConfig;
use crate::files::context::FilesContext;
use crate::files::open_files::OpenFileTables;
use crate::files::throttle::Throttles;
use crate::hosted::Hosted;
use crate::ids::Ids;
use crate::intake::Received;
use crate::key_exchange::offers::Offers;
use crate::login_time::LoginTime;
use crate::outbox::Outbox;
use crate::session::registry::Registry;
use crate::sweep::Sweep;

/// Bytes that waiting requests and replies of all connections may take.
const REPLY_BUDGET: usize = 128 << 20;

/// What all connections of a node share.
pub(crate) struct NodeContext {
    /// Section `sftpd`.
    pub config: Arc<SftpdConfig>,
    /// Accounts, sessions, quota. Its calls run on the runtime of the process, not on the
    /// threads of the connections.
    pub control: Arc<dyn ControlPlane>,
    /// What the files of all sessions share.
    pub files: Arc<FilesContext>,
    /// Live sessions.
    pub registry: Registry,
    /// What is offered to clients in the key exchange.
    pub offers: Offers,
    /// Text that clients see before they log in.
    pub banner: Option<String>,
    /// Memory for waiting replies, over all connections.
    pub reply_budget: Arc<Budget>,
    /// What has arrived on all connections and waits for its readers.
    pub received: Arc<Received>,
    /// CPU time of logins, by source.
    pub login_time: Arc<LoginTime>,
    /// Panics that a test asks for.
    #[cfg(test)]
    pub defects: crate::defects::Defects,
    ids: Arc<Ids>,
}

impl fmt::Debug for NodeContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeContext").field("node", self.node()).finish_non_exhaustive()
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
        let banner = crate::key_exchange::banner::load(&config.login_banner_file, config_dir);
        Ok(Self::of(config, offers, banner, control))
    }

    /// Puts a node together; must be called on the runtime that the control plane belongs to.
    pub fn of(
        config: SftpdConfig,
        offers: Offers,
        banner: Option<String>,
        control: Arc<dyn ControlPlane>,
    ) -> Self {
        let (config, ids) = (Arc::new(config), Arc::new(Ids::new()));
        let outbox = Outbox::start(Arc::clone(&control));
        let control: Arc<dyn ControlPlane> = Arc::new(Hosted::new(control));
        let files = FilesContext {
            config: Arc::clone(&config),
            control: Arc::clone(&control),
            outbox,
            throttles: Throttles::default(),
            open_files: OpenFileTables::default(),
            sweep: Sweep::start(),
            ids: Arc::clone(&ids),
        };
        Self {
            control,
            files: Arc::new(files),
            registry: Registry::default(),
            offers,
            banner,
            reply_budget: Arc::new(Budget::new(REPLY_BUDGET)),
            received: Arc::default(),
            login_time: Arc::default(),
            #[cfg(test)]
            defects: crate::defects::Defects::default(),
            ids,
            config,
        }
    }

    /// Returns an id for a new connection, unique over all nodes.
    pub fn new_connection(&self) -> ConnectionId {
        ConnectionId(self.ids.next())
    }

    /// Returns the name of this run of the node.
    pub fn node(&self) -> &NodeId {
        &self.ids.node
    }

    /// Returns how long running transfers may go on after the signal to stop.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_secs(self.config.drain_timeout)
    }
}
