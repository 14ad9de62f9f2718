//! Users, made over the REST API.

use std::path::{Path, PathBuf};

use ferryd_domain::{Account, Fault};
use serde_json::{Value, json};

use crate::keys::client_key;
use crate::raw_sftp::RawSftp;
use crate::server::Server;
use crate::ssh::Connection;
use crate::wait::until;

/// A user of a server.
#[derive(Clone, Debug)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: i64,
    /// Its home on the disk.
    pub home: PathBuf,
}

impl User {
    /// Returns the path of a file below the home.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.home.join(relative.trim_start_matches('/'))
    }

    /// Puts a file into the home behind the server's back.
    pub fn put(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Makes a folder in the home behind the server's back.
    pub fn make_folder(&self, relative: &str) -> PathBuf {
        let path = self.path(relative);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Returns what is in a file of the home.
    pub fn read(&self, relative: &str) -> Vec<u8> {
        let path = self.path(relative);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Tells whether something of this name is in the home, links not followed.
    pub fn has(&self, relative: &str) -> bool {
        self.path(relative).symlink_metadata().is_ok()
    }
}

impl Server {
    /// Adds an active user with the key of the tests and all permissions.
    pub async fn user(&self, name: &str) -> User {
        self.user_with(name, json!({})).await
    }

    /// Adds a user as [`Self::user`] does, with some fields changed.
    pub async fn user_with(&self, name: &str, changes: Value) -> User {
        self.try_user(name, changes).await.unwrap()
    }

    /// Adds a user and hands back a refusal.
    pub async fn try_user(&self, name: &str, changes: Value) -> Result<User, Fault> {
        let mut fields = self.default_user(name);
        for (key, value) in changes.as_object().unwrap() {
            fields[key] = value.clone();
        }
        let stored: Account = self.rest().add_user(&fields).await?;
        let home = PathBuf::from(fields["home_dir"].as_str().unwrap());
        std::fs::create_dir_all(&home).unwrap();
        Ok(User { name: name.to_owned(), id: stored.id, home })
    }

    /// Returns the used quota of a user as REST shows it: files and bytes.
    pub async fn used_quota(&self, user: &User) -> (i64, i64) {
        let user = self.call("GET", &format!("/api/v1/user/{}", user.id), "").await.1;
        (user["used_quota_files"].as_i64().unwrap(), user["used_quota_size"].as_i64().unwrap())
    }

    /// Waits until so many files and bytes are used.
    pub async fn until_used(&self, user: &User, expected: (i64, i64)) {
        until(&format!("counts of {expected:?}"), async || {
            (self.used_quota(user).await == expected).then_some(())
        })
        .await;
    }

    /// Returns the fields of the user that [`Self::user`] adds.
    pub fn default_user(&self, name: &str) -> Value {
        json!({
            "username": name,
            "status": 1,
            "home_dir": self.home_of(name),
            "public_keys": [client_key().line],
            "permissions": { "/": ["*"] },
        })
    }

    /// Logs a user in with the key of the tests.
    pub async fn login(&self, user: &User) -> Connection {
        let mut connection = Connection::open(self.sftp()).await;
        assert!(connection.offer_key(&user.name, client_key()).await, "{} gets in", user.name);
        connection
    }

    /// Opens SFTP on a connection of its own.
    pub async fn sftp_of(&self, user: &User) -> RawSftp {
        self.login(user).await.sftp().await
    }

    /// Tells whether a path on the disk is a folder.
    pub fn is_folder(path: &Path) -> bool {
        path.is_dir()
    }
}
