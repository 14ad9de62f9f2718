//! The sections that the control plane reads: `data_provider`, `httpd`, `grpc`, `log`, and of
//! `sftpd` what it does on behalf of the nodes.

use std::path::Path;

use control_api::rest::HttpdConfig;
use control_api::{ControlApiSettings, SftpdHooks};
use ferryd_config::{ConfigOptions, Loaded};
use ferryd_data_provider::{ActionsConfig, DataProviderConfig};
use ferryd_domain::Fault;
use ferryd_proto::GrpcServerConfig;
use ferryd_rest::VersionInfo;
use ferryd_telemetry::LogConfig;
use serde::{Deserialize, Serialize};

/// Sections that nodes read; the same file may serve all programs.
const OTHERS: [&str; 3] = ["sftpd", "control_plane", "telemetry"];

/// All sections of the control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// The store of the accounts.
    pub(crate) data_provider: DataProviderConfig,
    /// The REST API.
    pub(super) httpd: HttpdConfig,
    /// Where nodes connect.
    pub(super) grpc: GrpcServerConfig,
    /// What nodes leave to the control plane.
    pub(super) sftpd: Hooks,
    /// Form of the log.
    pub(super) log: LogConfig,
}

/// The keys of section `sftpd` that name programs: those run here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Hooks {
    /// What happens when files change.
    pub(super) actions: ActionsConfig,
    /// Program that asks the questions of keyboard-interactive logins; absolute path.
    pub(super) keyboard_interactive_auth_program: String,
}

impl Settings {
    /// Returns what the control plane is built from; the listeners are not part of it.
    pub(super) fn into_parts(self, directory: &Path) -> ControlApiSettings {
        ControlApiSettings {
            config_dir: directory.to_owned(),
            data_provider: self.data_provider,
            httpd: self.httpd,
            sftpd: SftpdHooks {
                actions: self.sftpd.actions,
                keyboard_interactive_auth_program: self.sftpd.keyboard_interactive_auth_program,
            },
            version: VersionInfo {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..VersionInfo::default()
            },
        }
    }
}

/// Reads the settings.
pub(crate) fn load(options: &ConfigOptions) -> Result<Loaded<Settings>, Fault> {
    let mut loaded = ferryd_config::load::<Settings>(options)?.beside(&OTHERS);
    loaded.warnings.extend(loaded.settings.httpd.exposure());
    Ok(loaded)
}
