//! What a person sees on the terminal when the server has started: where it listens, where its
//! data and its log are, and how to make the first account. On standard error, because standard
//! output may be the log.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ferryd_config::{ConfigOptions, Loaded, LogOptions, relative_to};
use ferryd_data_provider::Driver;
use ferryd_runtime::terminal;

use crate::settings::Settings;
use crate::version;
use crate::wiring::Server;

/// What is known before the start.
#[derive(Debug)]
pub struct Greeting {
    config: Option<PathBuf>,
    data: String,
    log: String,
    credentials: Credentials,
    warnings: Vec<String>,
}

/// Whether the REST API asks for a user and a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Credentials {
    Needed,
    NotNeeded,
}

impl Greeting {
    /// Takes what the settings say.
    pub fn new(loaded: &Loaded<Settings>, options: &ConfigOptions, log: &LogOptions) -> Self {
        let credentials = if loaded.settings.httpd.auth_user_file.is_empty() {
            Credentials::NotNeeded
        } else {
            Credentials::Needed
        };
        Self {
            config: loaded.file.clone(),
            data: data(&loaded.settings, &options.config_dir),
            log: log.file.as_deref().map_or_else(|| "standard output".to_owned(), absolute),
            credentials,
            warnings: loaded.warnings.clone(),
        }
    }

    /// Says it.
    pub async fn show(&self, server: &Server) {
        for warning in &self.warnings {
            terminal::say(format_args!("warning: {warning}"));
        }
        terminal::say(self.text(server.sftp_address(), server.http_url().as_deref()));
        if server.has_no_account().await {
            let url = server.http_url();
            terminal::say(first_account(server.sftp_address(), url.as_deref(), self.credentials));
        }
    }

    fn text(&self, sftp: SocketAddr, http: Option<&str>) -> String {
        let config =
            self.config.as_deref().map_or_else(|| "none, defaults are used".to_owned(), absolute);
        format!(
            "ferryd {} is running\n  SFTP    {}\n  HTTP    {}\n  config  {config}\n  data    {}\n  \
             log     {}",
            version::NUMBER,
            shown(sftp),
            http.unwrap_or("off"),
            self.data,
            self.log,
        )
    }
}

fn data(settings: &Settings, config_dir: &Path) -> String {
    let provider = &settings.data_provider;
    let file = || absolute(relative_to(config_dir, &provider.name));
    match provider.driver() {
        Ok(Driver::Sqlite | Driver::Bolt) => format!("{} ({})", file(), provider.driver),
        Ok(Driver::Memory) if provider.name.is_empty() => "in memory only".to_owned(),
        Ok(Driver::Memory) => format!("in memory, loaded from {}", file()),
        Ok(Driver::Mysql | Driver::Postgresql) | Err(_) => provider.driver.clone(),
    }
}

fn absolute(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn shown(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("port {} on all addresses", address.port())
    } else {
        format!("port {} on {}", address.port(), address.ip())
    }
}

fn first_account(sftp: SocketAddr, http: Option<&str>, credentials: Credentials) -> String {
    let Some(http) = http else {
        return "There is no account yet, and without HTTP none can be made here.".to_owned();
    };
    let login = match credentials {
        Credentials::Needed => "-u ADMIN:PASSWORD ",
        Credentials::NotNeeded => "",
    };
    let host =
        if sftp.ip().is_unspecified() { "localhost".to_owned() } else { sftp.ip().to_string() };
    format!(
        "There is no account yet. Make one and log in:\n  \
         curl {login}-d '{{\"username\":\"alice\",\"password\":\"change-me\",\"status\":1,\
         \"home_dir\":\"/tmp/alice\",\"permissions\":{{\"/\":[\"*\"]}}}}' {http}/api/v1/user\n  \
         sftp -P {} alice@{host}",
        sftp.port(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_account_is_one_call_away() {
        let sftp: SocketAddr = "[::]:2022".parse().unwrap();
        let text = first_account(sftp, Some("http://127.0.0.1:8080"), Credentials::NotNeeded);
        assert!(text.contains("http://127.0.0.1:8080/api/v1/user"), "{text}");
        assert!(text.contains("sftp -P 2022 alice@localhost"), "{text}");
        let json = text.split('\'').nth(1).unwrap();
        let account: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(account["permissions"]["/"][0], "*");
    }

    #[test]
    fn a_protected_api_is_said_to_need_a_login() {
        let sftp: SocketAddr = "127.0.0.1:2022".parse().unwrap();
        let text = first_account(sftp, Some("https://host:8443"), Credentials::Needed);
        assert!(text.contains("-u ADMIN:PASSWORD"), "{text}");
    }
}
