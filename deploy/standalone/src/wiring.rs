//! Puts the parts together: the control plane goes straight into the node, without a wire.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control_api::rest::HttpPort;
use control_api::{ControlApi, ControlApiSettings, SftpdHooks};
use ferryd_data_provider::{ActionsConfig, UserPage};
use ferryd_domain::Fault;
use ferryd_rest::VersionInfo;
use ferryd_runtime::CancellationToken;
use ferryd_runtime::program::ends_all;
use sftp_node::{Bound, SftpNode};

use crate::settings::Settings;
use crate::version;

/// How long actions may go on after everything else has ended.
const ACTIONS_LIMIT: Duration = Duration::from_secs(10);

/// All parts, with their ports, serving nobody yet.
#[derive(Debug)]
pub struct Server {
    api: Arc<ControlApi>,
    node: Bound,
    http: HttpPort,
}

impl Server {
    /// Starts the control plane and takes the ports.
    ///
    /// # Errors
    /// Whatever keeps a part from working: a port that is taken, a store, a key.
    pub async fn start(settings: Settings, config_dir: &Path) -> Result<Self, Fault> {
        let http = HttpPort::bind(&settings.httpd)?;
        let api = Arc::new(ControlApi::build(control_api_settings(&settings, config_dir)).await?);
        let control_plane = Arc::clone(&api.control_plane);
        let node = SftpNode::bind(settings.sftpd, config_dir, control_plane).await?;
        Ok(Self { api, node, http })
    }

    /// Returns where SFTP clients connect.
    pub fn sftp_address(&self) -> SocketAddr {
        self.node.local_addr()
    }

    /// Returns where the REST API is, `None` when it is off.
    pub fn http_url(&self) -> Option<String> {
        self.http.url()
    }

    /// Tells whether nobody can log in yet.
    pub async fn has_no_account(&self) -> bool {
        let first = UserPage { limit: 1, ..UserPage::default() };
        self.api.accounts().list(&first).await.is_ok_and(|accounts| accounts.is_empty())
    }

    /// Returns the control plane.
    pub fn api(&self) -> Arc<ControlApi> {
        Arc::clone(&self.api)
    }

    /// Serves until the shutdown; a part that ends before takes the others with it. The control
    /// plane ends last: the node needs it to the end of its transfers.
    ///
    /// # Errors
    /// The fault of the part that ended first.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Fault> {
        let node = ends_all(self.node.run(shutdown.clone()), &shutdown);
        let http = self.http.serve(self.api.rest.clone(), self.api.tls.clone(), shutdown.clone());
        let http = ends_all(http, &shutdown);
        let (node, http) = tokio::join!(node, http);
        let written = self.api.shutdown(ACTIONS_LIMIT).await;
        node.and(http).and(written)
    }
}

/// File actions and the dialog program are keys of the SFTP server, but the control plane runs
/// them.
pub fn control_api_settings(settings: &Settings, config_dir: &Path) -> ControlApiSettings {
    let actions = settings.sftpd.actions.clone();
    ControlApiSettings {
        config_dir: config_dir.to_owned(),
        data_provider: settings.data_provider.clone(),
        httpd: settings.httpd.clone(),
        sftpd: SftpdHooks {
            actions: ActionsConfig {
                execute_on: actions.execute_on,
                command: actions.command,
                http_notification_url: actions.http_notification_url,
            },
            keyboard_interactive_auth_program: settings
                .sftpd
                .keyboard_interactive_auth_program
                .clone(),
        },
        version: VersionInfo {
            version: version::NUMBER.to_owned(),
            build_date: version::BUILD_DATE.to_owned(),
            commit_hash: version::COMMIT.to_owned(),
        },
    }
}
