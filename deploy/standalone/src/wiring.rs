//! Puts the parts together: the control plane goes straight into the node, without a wire.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use control_api::{ControlApi, ControlApiSettings, SftpdHooks};
use ferryd_data_provider::{ActionsConfig, UserPage};
use ferryd_domain::Fault;
use ferryd_rest::VersionInfo;
use ferryd_runtime::CancellationToken;
use sftp_node::{Bound, SftpNode};
use tokio::net::TcpListener;

use crate::settings::Settings;
use crate::version;

/// How long actions may go on after everything else has ended.
const ACTIONS_LIMIT: Duration = Duration::from_secs(10);

/// All parts, with their ports, serving nobody yet.
#[derive(Debug)]
pub struct Server {
    api: Arc<ControlApi>,
    node: Bound,
    http: Option<TcpListener>,
}

impl Server {
    /// Starts the control plane and takes the ports.
    ///
    /// # Errors
    /// Whatever keeps a part from working: a port that is taken, a store, a key.
    pub async fn start(settings: Settings, config_dir: &Path) -> Result<Self, Fault> {
        let http = http_listener(&settings)?;
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
        let address = self.http.as_ref()?.local_addr().ok()?;
        let scheme = if self.api.tls.is_some() { "https" } else { "http" };
        Some(if address.ip().is_unspecified() {
            format!("{scheme}://localhost:{}", address.port())
        } else {
            format!("{scheme}://{address}")
        })
    }

    /// Tells whether nobody can log in yet.
    pub async fn has_no_account(&self) -> bool {
        let first = UserPage { limit: 1, ..UserPage::default() };
        self.api.accounts().list(&first).await.is_ok_and(|accounts| accounts.is_empty())
    }

    /// Returns what a SIGHUP does.
    pub fn reload(&self) -> Reload {
        Reload(Arc::clone(&self.api))
    }

    /// Serves until the shutdown; a part that ends before takes the others with it. The control
    /// plane ends last: the node needs it to the end of its transfers.
    ///
    /// # Errors
    /// The fault of the part that ended first.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), Fault> {
        let node = ends_all(self.node.run(shutdown.clone()), &shutdown);
        let http = ends_all(serve_http(self.http, &self.api, shutdown.clone()), &shutdown);
        let (node, http) = tokio::join!(node, http);
        let written = self.api.shutdown(ACTIONS_LIMIT).await;
        node.and(http).and(written)
    }
}

/// What a SIGHUP does: memory provider and certificate are read again.
#[derive(Clone, Debug)]
pub struct Reload(Arc<ControlApi>);

impl Reload {
    /// Reads again; what cannot be read is logged and stays as it was.
    pub async fn run(&self) {
        self.0.reload().await;
    }
}

async fn ends_all(
    part: impl Future<Output = Result<(), Fault>>,
    shutdown: &CancellationToken,
) -> Result<(), Fault> {
    let outcome = part.await;
    shutdown.cancel();
    outcome
}

async fn serve_http(
    listener: Option<TcpListener>,
    api: &ControlApi,
    shutdown: CancellationToken,
) -> Result<(), Fault> {
    match listener {
        Some(listener) => {
            control_api::rest::serve(listener, api.rest.clone(), api.tls.clone(), shutdown).await
        }
        None => {
            shutdown.cancelled().await;
            Ok(())
        }
    }
}

fn http_listener(settings: &Settings) -> Result<Option<TcpListener>, Fault> {
    let httpd = &settings.httpd;
    if httpd.bind_port == 0 {
        return Ok(None);
    }
    let listener = ferryd_runtime::bind(&httpd.bind_address, httpd.bind_port)?;
    TcpListener::from_std(listener)
        .map(Some)
        .map_err(|error| Fault::unavailable("the HTTP port cannot be used").because(error))
}

/// File actions and the dialog program are keys of the SFTP server, but the control plane runs
/// them.
fn control_api_settings(settings: &Settings, config_dir: &Path) -> ControlApiSettings {
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
