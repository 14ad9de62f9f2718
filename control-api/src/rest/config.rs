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
    /// Returns the warning about an API that others than this machine can use without a password.
    pub fn exposure(&self) -> Option<String> {
        let address = self.bind_address.trim_start_matches('[').trim_end_matches(']');
        let loopback = address == "localhost"
            || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        if self.bind_port == 0 || loopback || !self.auth_user_file.is_empty() {
            return None;
        }
        let shown = if address.is_empty() { "all addresses" } else { address };
        Some(format!(
            "httpd: whoever reaches port {} on {shown} manages all accounts without a password: set \
             httpd.auth_user_file, or httpd.bind_address to 127.0.0.1",
            self.bind_port
        ))
    }

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
    fn an_api_open_to_others_is_warned_about() {
        let told = |address: &str, file: &str, port| {
            let (bind_address, auth_user_file) = (address.to_owned(), file.to_owned());
            HttpdConfig { bind_address, auth_user_file, bind_port: port, ..Default::default() }
                .exposure()
                .is_some()
        };
        for address in ["", "0.0.0.0", "::", "[::]", "192.0.2.1", "example.com"] {
            assert!(told(address, "", 8080), "{address}");
            assert!(!told(address, "users", 8080) && !told(address, "", 0), "{address}");
        }
        for address in ["127.0.0.1", "127.0.0.2", "::1", "[::1]", "localhost", "::ffff:127.0.0.1"] {
            assert!(!told(address, "", 8080), "{address}");
        }
    }

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
