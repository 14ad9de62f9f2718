//! Section `data_provider`: which store is used and what surrounds it.
//! Numbers stay numbers as in the file; the methods interpret them.

use std::path::{Path, PathBuf};

use ferryd_domain::{Fault, Secret, Username};
use serde::{Deserialize, Serialize};

/// Section `data_provider` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataProviderConfig {
    /// `sqlite`, `mysql`, `postgresql`, `bolt`, `memory`.
    pub driver: String,
    /// File of sqlite and bolt, dump of memory (empty: none), else the database.
    pub name: String,
    /// Host of a network database.
    pub host: String,
    /// Port of a network database.
    pub port: u16,
    /// User of a network database.
    pub username: String,
    /// Password of a network database.
    pub password: Secret<String>,
    /// TLS of a network database, 0 to 3.
    pub sslmode: i32,
    /// Replaces the parts above.
    #[serde(alias = "connectionstring")]
    pub connection_string: Secret<String>,
    /// Name of the table of users.
    pub users_table: String,
    /// 0: accounts cannot be changed by REST, last login and usage are not written.
    pub manage_users: i32,
    /// 0: off, 1: for every user, 2: only for users with limits.
    pub track_quota: i32,
    /// Most open connections of a network database, 0: no limit.
    pub pool_size: u32,
    /// A new user without home gets the directory of its name below this one.
    pub users_base_dir: String,
    /// What happens when accounts change.
    pub actions: ActionsConfig,
    /// Program that decides logins; absolute path.
    pub external_auth_program: String,
    /// Bits of the methods the program decides: 1 password, 2 key, 4 dialog; 0: all.
    pub external_auth_scope: i32,
    /// Directory of the GCS credentials files.
    pub credentials_path: String,
    /// Program that may change an account before its login; absolute path.
    pub pre_login_program: String,
    /// Passwords that look like DES hashes of crypt(3), 13 letters and digits, are refused.
    pub refuse_des_hashes: bool,
}

/// Which events of accounts are notified, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ActionsConfig {
    /// Names of the actions that are told.
    pub execute_on: Vec<String>,
    /// Program to start; absolute path, empty: none.
    pub command: String,
    /// Address to call, empty: none.
    pub http_notification_url: String,
}

impl Default for DataProviderConfig {
    fn default() -> Self {
        Self {
            driver: "sqlite".to_owned(),
            name: "sftpgo.db".to_owned(),
            host: String::new(),
            port: 5432,
            username: String::new(),
            password: Secret::default(),
            sslmode: 0,
            connection_string: Secret::default(),
            users_table: "users".to_owned(),
            manage_users: 1,
            track_quota: 2,
            pool_size: 0,
            users_base_dir: String::new(),
            actions: ActionsConfig::default(),
            external_auth_program: String::new(),
            external_auth_scope: 0,
            credentials_path: "credentials".to_owned(),
            pre_login_program: String::new(),
            refuse_des_hashes: false,
        }
    }
}

/// Which store is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Driver {
    /// One file, SQL.
    Sqlite,
    /// MySQL or MariaDB.
    Mysql,
    /// PostgreSQL.
    Postgresql,
    /// One file, key and value.
    Bolt,
    /// Nothing on disk.
    Memory,
}

impl DataProviderConfig {
    /// Returns the driver.
    ///
    /// # Errors
    /// `InvalidInput` for an unknown name.
    pub fn driver(&self) -> Result<Driver, Fault> {
        match self.driver.as_str() {
            "sqlite" => Ok(Driver::Sqlite),
            "mysql" => Ok(Driver::Mysql),
            "postgresql" => Ok(Driver::Postgresql),
            "bolt" => Ok(Driver::Bolt),
            "memory" => Ok(Driver::Memory),
            other => Err(Fault::invalid(format!(
                "data_provider.driver: {other:?} is none of sqlite, mysql, postgresql, bolt, memory"
            ))),
        }
    }

    /// Returns the home of a new user without one, `None` when there is no base directory or the
    /// name is not a plain file name: it must not lead out of the base directory.
    pub fn default_home(&self, username: &Username) -> Option<String> {
        let name = username.as_str();
        let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
        let base = Path::new(&self.users_base_dir);
        (base.is_absolute() && plain).then(|| base.join(name).to_string_lossy().into_owned())
    }

    /// Returns the file of a file-based store.
    ///
    /// # Errors
    /// `InvalidInput` for an empty name.
    pub fn file(&self, config_dir: &Path) -> Result<PathBuf, Fault> {
        if self.name.is_empty() {
            return Err(Fault::invalid("data_provider.name: a file name is needed"));
        }
        Ok(config_dir.join(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_lead_out_of_the_base_directory() {
        let config = DataProviderConfig { users_base_dir: "/srv/ftp".into(), ..Default::default() };
        let home = |name: &str| config.default_home(&Username::stored(name));
        assert_eq!(home("bob").as_deref(), Some("/srv/ftp/bob"));
        for name in ["..", ".", "", "a/b", "/etc"] {
            assert_eq!(home(name), None, "{name}");
        }
    }

    #[test]
    fn a_relative_base_directory_is_ignored() {
        for base in ["", ".", "..", "srv"] {
            let config = DataProviderConfig { users_base_dir: base.into(), ..Default::default() };
            assert_eq!(config.default_home(&Username::stored("bob")), None, "{base}");
        }
    }

    #[test]
    fn both_spellings_of_the_connection_string_are_read() {
        let config: DataProviderConfig =
            serde_json::from_str(r#"{"connectionstring":"x"}"#).unwrap();
        assert_eq!(config.connection_string.expose(), "x");
    }
}
