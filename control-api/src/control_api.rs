//! Builds the control plane from its settings: provider, accounts, control plane, REST.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ferryd_control_plane::ControlPlane;
use ferryd_data_provider::{ActionsConfig, DataProvider, DataProviderConfig, Driver};
use ferryd_domain::{Fault, FaultKind};
use ferryd_rest::VersionInfo;
use ferryd_runtime::{ReloadableTls, Requests, ticks};
use ferryd_telemetry::{Outcome, metrics};
use tokio::task::JoinHandle;

use crate::accounts::Accounts;
use crate::actions::Actions;
use crate::control_plane::LocalControlPlane;
use crate::rest::{self, Guard, Htpasswd, HttpdConfig, RestState};

/// How often the provider is asked whether it is there.
const CHECK_INTERVAL: Duration = Duration::from_secs(30);

/// Whose counters a crash would put in doubt; in the directory of the configuration.
const RECOVERY_FILE: &str = "quota_recovery.journal";

/// Which nodes had sessions; in the directory of the configuration.
const NODES_FILE: &str = "attached_nodes.json";

/// What the control plane is built from.
#[derive(Clone, Debug, Default)]
pub struct ControlApiSettings {
    /// Relative paths of the settings are relative to this directory.
    pub config_dir: PathBuf,
    /// Section `data_provider`.
    pub data_provider: DataProviderConfig,
    /// Section `httpd`.
    pub httpd: HttpdConfig,
    /// The part of section `sftpd` that is the control plane's.
    pub sftpd: SftpdHooks,
    /// Which build this is.
    pub version: VersionInfo,
}

/// Hooks of section `sftpd` that run in the control plane.
#[derive(Clone, Debug, Default)]
pub struct SftpdHooks {
    /// What happens when files change.
    pub actions: ActionsConfig,
    /// Program that asks questions at a login; absolute path, empty: none.
    pub keyboard_interactive_auth_program: String,
}

/// The running control plane.
#[derive(Debug)]
pub struct ControlApi {
    /// What nodes talk to.
    pub control_plane: Arc<dyn ControlPlane>,
    /// The REST API.
    pub rest: Router,
    /// Who may use REST; for further routes beside it.
    pub guard: Guard,
    /// Certificate of REST, `None` without HTTPS.
    pub tls: Option<Arc<ReloadableTls>>,
    accounts: Arc<Accounts>,
    local: Arc<LocalControlPlane>,
    provider: Arc<dyn DataProvider>,
    config_dir: PathBuf,
    checks: JoinHandle<()>,
}

impl ControlApi {
    /// Opens the provider (a missing SQLite file is made) and starts everything behind the seams.
    /// Listens nowhere. Must be called within a runtime.
    ///
    /// # Errors
    /// Whatever makes a part unable to work; the text names the setting.
    pub async fn build(settings: ControlApiSettings) -> Result<Self, Fault> {
        let config = &settings.data_provider;
        let guard = guard(&settings).await?;
        let tls = tls(&settings)?;
        let provider = open(&settings).await?;
        let actions = Arc::new(Actions::start(&settings.sftpd.actions, &config.actions));
        let dir = &settings.config_dir;
        let accounts = Accounts::new(Arc::clone(&provider), config, dir, actions.clone());
        accounts.start().await?;
        let accounts = Arc::new(accounts);
        let local = Arc::new(LocalControlPlane::start(
            Arc::clone(&provider),
            Arc::clone(&accounts),
            actions,
            config,
            &settings.sftpd.keyboard_interactive_auth_program,
        )?);
        if config.driver()? != Driver::Memory {
            local.recovery().remember_in(&dir.join(RECOVERY_FILE));
        }
        let state = rest_state(&settings, &accounts, &local);
        Ok(Self {
            control_plane: local.clone(),
            rest: rest::router(state, &guard),
            guard,
            tls,
            accounts,
            local,
            config_dir: settings.config_dir,
            checks: tokio::spawn(check_provider(Arc::clone(&provider))),
            provider,
        })
    }

    /// Returns the accounts, for those who start the parts.
    pub fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts)
    }

    /// Keeps limits of sessions over restarts of this process alone: nodes of its last run are
    /// waited for. Called before nodes are served; not for a node in this process.
    pub async fn remember_nodes(&self) {
        self.local.remember_nodes_in(self.config_dir.join(NODES_FILE)).await;
    }

    /// Reads again what may have changed outside: the memory provider's users, the certificate.
    /// What cannot be read is logged and stays as it was.
    pub async fn reload(&self) {
        match self.accounts.reload().await {
            Ok(()) => tracing::info!(sender = "service", "users reloaded"),
            Err(fault) => {
                tracing::error!(sender = "service", error = %fault, "users could not be reloaded");
            }
        }
        let Some(tls) = self.tls.clone() else { return };
        match tokio::task::spawn_blocking(move || tls.reload()).await {
            Ok(Ok(())) => tracing::info!(sender = "httpd", "certificate reloaded"),
            Ok(Err(fault)) => {
                tracing::error!(sender = "httpd", error = %fault, "certificate not reloaded");
            }
            Err(error) => tracing::error!(sender = "httpd", %error, "certificate not reloaded"),
        }
    }

    /// Reads again at each SIGHUP, for ever.
    pub async fn reload_at(&self, mut reloads: Requests) {
        while reloads.next().await.is_some() {
            tracing::info!(sender = "service", "reload was asked for");
            self.reload().await;
        }
        std::future::pending().await
    }

    /// Writes what waits and gives running actions this long to end. Called last.
    ///
    /// # Errors
    /// `Unavailable` when used quota could not be written.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), Fault> {
        self.checks.abort();
        let written = self.local.shutdown(limit).await;
        self.provider.close().await;
        self.local.recovery().shutdown().await;
        written
    }
}

impl Drop for ControlApi {
    fn drop(&mut self) {
        self.checks.abort();
    }
}

async fn open(settings: &ControlApiSettings) -> Result<Arc<dyn DataProvider>, Fault> {
    let (config, dir) = (&settings.data_provider, &settings.config_dir);
    if !config.users_base_dir.is_empty() && !Path::new(&config.users_base_dir).is_absolute() {
        tracing::warn!(
            sender = "config",
            "data_provider.users_base_dir is no absolute path, ignored"
        );
    }
    match ferryd_data_provider::open(config, dir).await {
        Err(fault) if fault.kind() == FaultKind::NotFound => {
            ferryd_data_provider::initialize(config, dir).await?;
            tracing::info!(sender = "service", driver = config.driver, "data provider initialized");
            ferryd_data_provider::open(config, dir).await
        }
        opened => opened,
    }
}

fn rest_state(
    settings: &ControlApiSettings,
    accounts: &Arc<Accounts>,
    local: &LocalControlPlane,
) -> RestState {
    RestState {
        accounts: Arc::clone(accounts),
        last_logins: local.last_logins(),
        quota: local.quota(),
        quota_scans: local.quota_scans(),
        nodes: local.nodes(),
        backups: settings.config_dir.join(&settings.httpd.backups_path),
        version: settings.version.clone(),
    }
}

/// Without an HTTP server its files are not looked at.
async fn guard(settings: &ControlApiSettings) -> Result<Guard, Fault> {
    let httpd = &settings.httpd;
    if httpd.bind_port == 0 || httpd.auth_user_file.is_empty() {
        return Ok(Guard::open());
    }
    Htpasswd::open(&settings.config_dir.join(&httpd.auth_user_file)).await.map(Guard::with)
}

pub(crate) fn tls(settings: &ControlApiSettings) -> Result<Option<Arc<ReloadableTls>>, Fault> {
    let httpd = &settings.httpd;
    httpd.check()?;
    if httpd.bind_port == 0 || httpd.certificate_file.is_empty() {
        return Ok(None);
    }
    let dir = &settings.config_dir;
    let certificate = dir.join(&httpd.certificate_file);
    let key = dir.join(&httpd.certificate_key_file);
    ReloadableTls::load(&certificate, &key).map(Arc::new).map(Some)
}

async fn check_provider(provider: Arc<dyn DataProvider>) {
    let mut ticks = ticks(CHECK_INTERVAL);
    loop {
        ticks.tick().await;
        let outcome = match provider.check().await {
            Ok(()) => Outcome::Ok,
            Err(fault) => {
                tracing::error!(sender = provider.name(), error = %fault, "the store does not answer");
                Outcome::Failed
            }
        };
        metrics::set_provider_available(outcome);
    }
}
