//! Accounts, with their secrets: a node opens the storage with them.

use std::collections::BTreeMap;

use ferryd_domain::{
    Account, ExtensionFilter, Fault, Filters, GcsSettings, S3Settings, StorageProvider,
    StorageSettings, VirtualFolder,
};

use super::{bad_message, list, part, required, secret, username};
use crate::wire;

impl From<Account> for wire::Account {
    fn from(account: Account) -> Self {
        Self {
            id: Some(account.id),
            status: Some(account.status),
            username: Some(account.username.as_str().to_owned()),
            expiration_date: Some(account.expiration_date),
            password: Some(account.password.into_exposed()),
            public_keys: account.public_keys,
            home_dir: Some(account.home_dir),
            virtual_folders: account.virtual_folders.into_iter().map(Into::into).collect(),
            uid: Some(account.uid),
            gid: Some(account.gid),
            max_sessions: Some(account.max_sessions),
            quota_size: Some(account.quota_size),
            quota_files: Some(account.quota_files),
            permissions: account
                .permissions
                .into_iter()
                .map(|(path, names)| (path, wire::PermissionNames { names }))
                .collect(),
            used_quota_size: Some(account.used_quota_size),
            used_quota_files: Some(account.used_quota_files),
            last_quota_update: Some(account.last_quota_update),
            upload_bandwidth: Some(account.upload_bandwidth),
            download_bandwidth: Some(account.download_bandwidth),
            last_login: Some(account.last_login),
            filters: Some(account.filters.into()),
            filesystem: Some(account.filesystem.into()),
        }
    }
}

impl TryFrom<wire::Account> for Account {
    type Error = Fault;

    fn try_from(account: wire::Account) -> Result<Self, Fault> {
        Ok(Self {
            id: required(account.id, "id")?,
            status: required(account.status, "status")?,
            username: username(account.username)?,
            expiration_date: required(account.expiration_date, "expiration_date")?,
            password: secret(account.password, "password")?,
            public_keys: account.public_keys,
            home_dir: required(account.home_dir, "home_dir")?,
            virtual_folders: list(account.virtual_folders, "virtual_folders")?,
            uid: required(account.uid, "uid")?,
            gid: required(account.gid, "gid")?,
            max_sessions: required(account.max_sessions, "max_sessions")?,
            quota_size: required(account.quota_size, "quota_size")?,
            quota_files: required(account.quota_files, "quota_files")?,
            permissions: account
                .permissions
                .into_iter()
                .map(|(path, set)| (path, set.names))
                .collect::<BTreeMap<_, _>>(),
            used_quota_size: required(account.used_quota_size, "used_quota_size")?,
            used_quota_files: required(account.used_quota_files, "used_quota_files")?,
            last_quota_update: required(account.last_quota_update, "last_quota_update")?,
            upload_bandwidth: required(account.upload_bandwidth, "upload_bandwidth")?,
            download_bandwidth: required(account.download_bandwidth, "download_bandwidth")?,
            last_login: required(account.last_login, "last_login")?,
            filters: part(account.filters, "filters")?,
            filesystem: part(account.filesystem, "filesystem")?,
            // Such an account has no login, so it is never sent.
            unreadable: Vec::new(),
        })
    }
}

impl From<VirtualFolder> for wire::VirtualFolder {
    fn from(folder: VirtualFolder) -> Self {
        Self { virtual_path: Some(folder.virtual_path), mapped_path: Some(folder.mapped_path) }
    }
}

impl TryFrom<wire::VirtualFolder> for VirtualFolder {
    type Error = Fault;

    fn try_from(folder: wire::VirtualFolder) -> Result<Self, Fault> {
        Ok(Self {
            virtual_path: required(folder.virtual_path, "virtual_path")?,
            mapped_path: required(folder.mapped_path, "mapped_path")?,
        })
    }
}

impl From<Filters> for wire::Filters {
    fn from(filters: Filters) -> Self {
        Self {
            allowed_ip: filters.allowed_ip,
            denied_ip: filters.denied_ip,
            denied_login_methods: filters.denied_login_methods,
            file_extensions: filters.file_extensions.into_iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<wire::Filters> for Filters {
    type Error = Fault;

    fn try_from(filters: wire::Filters) -> Result<Self, Fault> {
        Ok(Self {
            allowed_ip: filters.allowed_ip,
            denied_ip: filters.denied_ip,
            denied_login_methods: filters.denied_login_methods,
            file_extensions: list(filters.file_extensions, "file_extensions")?,
        })
    }
}

impl From<ExtensionFilter> for wire::ExtensionFilter {
    fn from(filter: ExtensionFilter) -> Self {
        Self {
            path: Some(filter.path),
            allowed_extensions: filter.allowed_extensions,
            denied_extensions: filter.denied_extensions,
        }
    }
}

impl TryFrom<wire::ExtensionFilter> for ExtensionFilter {
    type Error = Fault;

    fn try_from(filter: wire::ExtensionFilter) -> Result<Self, Fault> {
        Ok(Self {
            path: required(filter.path, "path")?,
            allowed_extensions: filter.allowed_extensions,
            denied_extensions: filter.denied_extensions,
        })
    }
}

impl From<StorageProvider> for wire::StorageProvider {
    fn from(provider: StorageProvider) -> Self {
        match provider {
            StorageProvider::Local => Self::Local,
            StorageProvider::S3 => Self::S3,
            StorageProvider::Gcs => Self::Gcs,
        }
    }
}

impl TryFrom<wire::StorageProvider> for StorageProvider {
    type Error = Fault;

    fn try_from(provider: wire::StorageProvider) -> Result<Self, Fault> {
        match provider {
            wire::StorageProvider::Unspecified => required(None, "provider"),
            wire::StorageProvider::Local => Ok(Self::Local),
            wire::StorageProvider::S3 => Ok(Self::S3),
            wire::StorageProvider::Gcs => Ok(Self::Gcs),
        }
    }
}

impl From<StorageSettings> for wire::StorageSettings {
    fn from(settings: StorageSettings) -> Self {
        Self {
            provider: wire::StorageProvider::from(settings.provider).into(),
            s3: Some(settings.s3config.into()),
            gcs: Some(settings.gcsconfig.into()),
        }
    }
}

impl TryFrom<wire::StorageSettings> for StorageSettings {
    type Error = Fault;

    fn try_from(settings: wire::StorageSettings) -> Result<Self, Fault> {
        let provider = wire::StorageProvider::try_from(settings.provider)
            .map_err(|error| bad_message("unknown storage provider".to_owned()).because(error))?;
        Ok(Self {
            provider: provider.try_into()?,
            s3config: part(settings.s3, "s3")?,
            gcsconfig: part(settings.gcs, "gcs")?,
        })
    }
}

impl From<S3Settings> for wire::S3Settings {
    fn from(settings: S3Settings) -> Self {
        Self {
            bucket: Some(settings.bucket),
            key_prefix: Some(settings.key_prefix),
            region: Some(settings.region),
            access_key: Some(settings.access_key),
            access_secret: Some(settings.access_secret.into_exposed()),
            endpoint: Some(settings.endpoint),
            storage_class: Some(settings.storage_class),
        }
    }
}

impl TryFrom<wire::S3Settings> for S3Settings {
    type Error = Fault;

    fn try_from(settings: wire::S3Settings) -> Result<Self, Fault> {
        Ok(Self {
            bucket: required(settings.bucket, "bucket")?,
            key_prefix: required(settings.key_prefix, "key_prefix")?,
            region: required(settings.region, "region")?,
            access_key: required(settings.access_key, "access_key")?,
            access_secret: secret(settings.access_secret, "access_secret")?,
            endpoint: required(settings.endpoint, "endpoint")?,
            storage_class: required(settings.storage_class, "storage_class")?,
        })
    }
}

impl From<GcsSettings> for wire::GcsSettings {
    fn from(settings: GcsSettings) -> Self {
        Self {
            bucket: Some(settings.bucket),
            key_prefix: Some(settings.key_prefix),
            credentials: Some(settings.credentials.into_exposed()),
            automatic_credentials: Some(settings.automatic_credentials),
            storage_class: Some(settings.storage_class),
        }
    }
}

impl TryFrom<wire::GcsSettings> for GcsSettings {
    type Error = Fault;

    fn try_from(settings: wire::GcsSettings) -> Result<Self, Fault> {
        Ok(Self {
            bucket: required(settings.bucket, "bucket")?,
            key_prefix: required(settings.key_prefix, "key_prefix")?,
            credentials: secret(settings.credentials, "credentials")?,
            automatic_credentials: required(
                settings.automatic_credentials,
                "automatic_credentials",
            )?,
            storage_class: required(settings.storage_class, "storage_class")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::samples::{account, assert_round_trip};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_account_arrives_as_it_was_sent(account in account()) {
            assert_round_trip::<_, wire::Account>(account)?;
        }
    }

    #[test]
    fn a_missing_restriction_is_an_error() {
        let whole = wire::Account::from(Account::default());
        let no_filters = wire::Account { filters: None, ..whole.clone() };
        assert!(Account::try_from(no_filters).unwrap_err().to_string().contains("filters"));
        let no_quota = wire::Account { quota_size: None, ..whole.clone() };
        assert!(Account::try_from(no_quota).is_err());
        let mut no_provider = whole;
        no_provider.filesystem.as_mut().unwrap().provider = 0;
        assert!(Account::try_from(no_provider).is_err());
    }
}
