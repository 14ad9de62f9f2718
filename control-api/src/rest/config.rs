//! Section `httpd`: where the REST API listens and which files it uses.

use ferryd_domain::Fault;
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

impl HttpdConfig {
    /// Checks what can be told without looking at any file.
    ///
    /// # Errors
    /// `InvalidInput`, naming the key.
    pub fn check(&self) -> Result<(), Fault> {
        if self.bind_port == 0 {
            return Ok(());
        }
        for (key, path) in [
            ("templates_path", &self.templates_path),
            ("static_files_path", &self.static_files_path),
            ("backups_path", &self.backups_path),
        ] {
            if path.is_empty() {
                return Err(Fault::invalid(format!("httpd.{key} must not be empty")));
            }
        }
        if self.certificate_file.is_empty() != self.certificate_key_file.is_empty() {
            return Err(Fault::invalid(
                "httpd: certificate_file and certificate_key_file must be set together",
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_certificate_and_empty_paths_are_refused() {
        assert!(HttpdConfig::default().check().is_ok());
        let half = HttpdConfig { certificate_file: "x".into(), ..HttpdConfig::default() };
        assert!(half.check().is_err());
        let empty = HttpdConfig { backups_path: String::new(), ..HttpdConfig::default() };
        assert!(empty.check().is_err());
        assert!(HttpdConfig { bind_port: 0, ..empty }.check().is_ok());
    }
}
