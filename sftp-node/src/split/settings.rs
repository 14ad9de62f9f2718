//! The sections that a node reads: `sftpd`, `control_plane`, `telemetry`, `log`.

use ferryd_config::{ConfigOptions, Loaded};
use ferryd_domain::Fault;
use ferryd_proto::GrpcClientConfig;
use ferryd_telemetry::{LogConfig, TelemetryConfig};
use serde::{Deserialize, Serialize};
use sftp_node::SftpdConfig;

/// Sections of the other programs; the same file may serve all of them.
const OTHERS: [&str; 3] = ["data_provider", "httpd", "grpc"];

/// All sections of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Settings {
    /// The SFTP server.
    pub(super) sftpd: SftpdConfig,
    /// The way to the control plane.
    pub(super) control_plane: GrpcClientConfig,
    /// Metrics and health.
    pub(super) telemetry: TelemetryConfig,
    /// Form of the log.
    pub(super) log: LogConfig,
}

/// Reads the settings and mends what can be mended; each mending is a warning.
pub(super) fn load(options: &ConfigOptions) -> Result<Loaded<Settings>, Fault> {
    let mut loaded = ferryd_config::load::<Settings>(options)?.beside(&OTHERS);
    let (sftpd, warnings) = loaded.settings.sftpd.normalized()?;
    loaded.settings.sftpd = sftpd;
    loaded.warnings.extend(warnings);
    Ok(loaded)
}
