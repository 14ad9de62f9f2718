//! The whole configuration of the single process: the sections of the owners side by side.

use ferryd_config::{ConfigOptions, Loaded};
use ferryd_data_provider::DataProviderConfig;
use ferryd_domain::Fault;
use ferryd_telemetry::{LogConfig, TelemetryConfig};
use serde::{Deserialize, Serialize};
use sftp_node::SftpdConfig;

use control_api::rest::config::HttpdConfig;

/// Sections of the separate programs; the same file may serve them.
const OTHERS: [&str; 2] = ["control_plane", "grpc"];

/// All sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The SFTP server.
    pub sftpd: SftpdConfig,
    /// The store of the accounts.
    pub data_provider: DataProviderConfig,
    /// The REST API.
    pub httpd: HttpdConfig,
    /// Metrics and health.
    pub telemetry: TelemetryConfig,
    /// Form of the log.
    pub log: LogConfig,
}

/// Reads the settings and mends what can be mended; each mending is a warning.
///
/// # Errors
/// `InvalidInput` for a configuration that cannot be used.
pub fn load(options: &ConfigOptions) -> Result<Loaded<Settings>, Fault> {
    let mut loaded = ferryd_config::load::<Settings>(options)?.beside(&OTHERS);
    let (sftpd, warnings) = loaded.settings.sftpd.normalized()?;
    loaded.settings.sftpd = sftpd;
    loaded.warnings.extend(warnings);
    loaded.warnings.extend(loaded.settings.httpd.exposure());
    Ok(loaded)
}
