//! `Account`: all that is known of a virtual user, with the names of the REST API.
//! An account read from a database may break rules; `validate` tells, logins check again.

pub mod json;
pub mod merge;
pub mod normalize;
pub mod public_key;
pub mod stored;
pub mod validate;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::json::{null_as_default, nulls_as_default, object_or_default};
use crate::{QuotaLimit, QuotaUsage, Secret, StorageSettings, Username};

/// `Account::status` of an account that may log in.
pub const ACTIVE: i32 = 1;

/// A virtual user. Times are Unix milliseconds, sizes bytes, bandwidths KB/s (1 KB = 1000 bytes).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Account {
    /// Assigned by the data provider; positive.
    #[serde(deserialize_with = "null_as_default")]
    pub id: i64,
    /// 1 active, 0 disabled.
    #[serde(deserialize_with = "null_as_default")]
    pub status: i32,
    /// Unique, case-sensitive.
    #[serde(deserialize_with = "null_as_default")]
    pub username: Username,
    /// 0: never.
    #[serde(deserialize_with = "null_as_default")]
    pub expiration_date: i64,
    /// The hash once stored; clear text or hash in a request. Left out when empty.
    #[serde(skip_serializing_if = "json::is_blank", deserialize_with = "null_as_default")]
    pub password: Secret<String>,
    /// `authorized_keys` lines.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub public_keys: Vec<String>,
    /// Absolute path on the node.
    #[serde(deserialize_with = "null_as_default")]
    pub home_dir: String,
    /// Directories outside of the home that are shown inside.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub virtual_folders: Vec<VirtualFolder>,
    /// 1..=65535: owner of new files; other values: unchanged.
    #[serde(deserialize_with = "null_as_default")]
    pub uid: i32,
    /// 1..=65535: group of new files; other values: unchanged.
    #[serde(deserialize_with = "null_as_default")]
    pub gid: i32,
    /// Sessions at once in the whole cluster, 0: any number.
    #[serde(deserialize_with = "null_as_default")]
    pub max_sessions: i32,
    /// Bytes, 0: unlimited.
    #[serde(deserialize_with = "null_as_default")]
    pub quota_size: i64,
    /// Files, 0: unlimited.
    #[serde(deserialize_with = "null_as_default")]
    pub quota_files: i64,
    /// Directory -> names of permissions; the nearest ancestor with an entry counts alone.
    #[serde(deserialize_with = "nulls_as_default")]
    pub permissions: BTreeMap<String, Vec<String>>,
    /// Owned by the server.
    #[serde(deserialize_with = "null_as_default")]
    pub used_quota_size: i64,
    /// Owned by the server.
    #[serde(deserialize_with = "null_as_default")]
    pub used_quota_files: i64,
    /// Owned by the server.
    #[serde(deserialize_with = "null_as_default")]
    pub last_quota_update: i64,
    /// KB/s, 0: unlimited.
    #[serde(deserialize_with = "null_as_default")]
    pub upload_bandwidth: i64,
    /// KB/s, 0: unlimited.
    #[serde(deserialize_with = "null_as_default")]
    pub download_bandwidth: i64,
    /// Owned by the server.
    #[serde(deserialize_with = "null_as_default")]
    pub last_login: i64,
    /// Addresses, login methods and file extensions.
    #[serde(deserialize_with = "object_or_default")]
    pub filters: Filters,
    /// Where the files live.
    #[serde(deserialize_with = "object_or_default")]
    pub filesystem: StorageSettings,
    /// Fields whose stored form is not understood; they have their defaults here. Such an account may
    /// not log in and is not stored again before they are given: a lost filter lets more in.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub unreadable: Vec<String>,
}

/// A directory outside of the home, shown at a virtual path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VirtualFolder {
    /// Where the client sees it.
    #[serde(deserialize_with = "null_as_default")]
    pub virtual_path: String,
    /// Where it is on the node.
    #[serde(deserialize_with = "null_as_default")]
    pub mapped_path: String,
}

/// Restrictions of an account; empty lists are left out of JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filters {
    /// When not empty, only these networks may log in.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub allowed_ip: Vec<String>,
    /// These networks may not log in; looked at first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub denied_ip: Vec<String>,
    /// `publickey`, `password`, `keyboard-interactive`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub denied_login_methods: Vec<String>,
    /// By directory; the nearest ancestor with a filter counts alone.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    pub file_extensions: Vec<ExtensionFilter>,
}

/// Which file names may be used below a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExtensionFilter {
    /// The directory that the entry governs, as a client path.
    #[serde(deserialize_with = "null_as_default")]
    pub path: String,
    /// When not empty, only these suffixes, in any case.
    #[serde(deserialize_with = "null_as_default")]
    pub allowed_extensions: Vec<String>,
    /// Never these suffixes, in any case; looked at first.
    #[serde(deserialize_with = "null_as_default")]
    pub denied_extensions: Vec<String>,
}

impl Account {
    /// Returns the limits on stored files.
    pub fn quota_limit(&self) -> QuotaLimit {
        QuotaLimit { size: self.quota_size, files: self.quota_files }
    }

    /// Returns what is stored, as far as this copy of the account knows.
    pub fn quota_usage(&self) -> QuotaUsage {
        QuotaUsage { size: self.used_quota_size, files: self.used_quota_files }
    }

    /// Returns the user id for new files, when one is set.
    pub fn owner_uid(&self) -> Option<u32> {
        system_id(self.uid)
    }

    /// Returns the group id for new files, when one is set.
    pub fn owner_gid(&self) -> Option<u32> {
        system_id(self.gid)
    }

    /// Returns a copy for answers and hooks: no password, no cloud credentials, and of a stored
    /// S3 secret only the part that shows nothing.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        shown.password = Secret::default();
        shown.filesystem.gcsconfig.credentials = Secret::default();
        let secret = shown.filesystem.s3config.access_secret.expose();
        shown.filesystem.s3config.access_secret = Secret::new(shown_secret(secret));
        shown
    }

    /// Takes over what only the server may change.
    pub fn keep_server_fields_of(&mut self, stored: &Self) {
        self.id = stored.id;
        self.used_quota_size = stored.used_quota_size;
        self.used_quota_files = stored.used_quota_files;
        self.last_quota_update = stored.last_quota_update;
        self.last_login = stored.last_login;
    }
}

fn system_id(id: i32) -> Option<u32> {
    u32::try_from(id).ok().filter(|id| (1..=65535).contains(id))
}

/// Returns `$aes$<blob>` for the stored `$aes$<key>$<blob>`; other values are not shown at all.
pub fn shown_secret(stored: &str) -> String {
    match stored.strip_prefix("$aes$").and_then(|rest| rest.rsplit_once('$')) {
        Some((_key, blob)) => format!("$aes${blob}"),
        None if stored.starts_with("$aes$") => stored.to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_no_secret() {
        let mut account = Account { password: Secret::new("hash".into()), ..Account::default() };
        account.filesystem.s3config.access_secret = Secret::new("$aes$00ff$abcd".into());
        account.filesystem.gcsconfig.credentials = Secret::new("e30=".into());
        let text = serde_json::to_string(&account.without_secrets()).unwrap();
        assert!(!text.contains("hash") && !text.contains("00ff") && !text.contains("e30="));
        assert!(text.contains("$aes$abcd"));
    }

    #[test]
    fn ids_outside_of_the_range_mean_no_change() {
        let account = Account { uid: 70000, gid: 1000, ..Account::default() };
        assert_eq!((account.owner_uid(), account.owner_gid()), (None, Some(1000)));
    }
}
