//! Section `httpd`: where the REST API listens and which files it uses.

use serde::{Deserialize, Serialize};

/// Section `httpd` of the configuration. Relative paths are relative to the config directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpdConfig {
    /// 0: no HTTP server.
    pub bind_port: u16,
    /// Empty: all addresses.
    pub bind_address: String,
    /// Templates of the web admin.
    pub templates_path: String,
    /// Static files of the web admin.
    pub static_files_path: String,
    /// Where dumps are written.
    pub backups_path: String,
    /// htpasswd file, empty: no authentication.
    pub auth_user_file: String,
    /// PEM; HTTPS when this and the key are set.
    pub certificate_file: String,
    /// PEM.
    pub certificate_key_file: String,
}

impl Default for HttpdConfig {
    fn default() -> Self {
        Self {
            bind_port: 8080,
            bind_address: "127.0.0.1".to_owned(),
            templates_path: "templates".to_owned(),
            static_files_path: "static".to_owned(),
            backups_path: "backups".to_owned(),
            auth_user_file: String::new(),
            certificate_file: String::new(),
            certificate_key_file: String::new(),
        }
    }
}
