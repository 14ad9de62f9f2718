//! The form in which accounts are stored: clean paths, `["*"]`, unused storage settings dropped.

use std::collections::BTreeMap;

use crate::permission::ANY;
use crate::{Account, GcsSettings, S3Settings, StorageProvider, VirtualPath};

/// Brings a valid account into the form in which it is stored.
pub fn normalize(account: &mut Account) {
    account.permissions = std::mem::take(&mut account.permissions)
        .into_iter()
        .map(|(path, names)| (clean(&path), clean_permissions(names)))
        .collect::<BTreeMap<_, _>>();
    for filter in &mut account.filters.file_extensions {
        filter.path = clean(&filter.path);
    }
    for folder in &mut account.virtual_folders {
        folder.virtual_path = clean(&folder.virtual_path);
        folder.mapped_path = clean(&folder.mapped_path);
    }
    normalize_storage(account);
}

fn normalize_storage(account: &mut Account) {
    let storage = &mut account.filesystem;
    match storage.provider {
        StorageProvider::Local => {
            storage.s3config = S3Settings::default();
            storage.gcsconfig = GcsSettings::default();
        }
        StorageProvider::S3 => {
            storage.gcsconfig = GcsSettings::default();
            storage.s3config.key_prefix = clean_prefix(&storage.s3config.key_prefix);
        }
        StorageProvider::Gcs => {
            storage.s3config = S3Settings::default();
            storage.gcsconfig.key_prefix = clean_prefix(&storage.gcsconfig.key_prefix);
        }
    }
    if storage.provider != StorageProvider::Local {
        account.virtual_folders.clear();
    }
}

/// Returns the clean form of an absolute path; a path that cannot be parsed stays as it is.
pub(crate) fn clean(path: &str) -> String {
    VirtualPath::parse(path.as_bytes()).map_or_else(|_| path.to_owned(), |path| path.to_text())
}

fn clean_permissions(names: Vec<String>) -> Vec<String> {
    if names.iter().any(|name| name == ANY) { vec![ANY.to_owned()] } else { names }
}

fn clean_prefix(prefix: &str) -> String {
    match clean(prefix).trim_start_matches('/') {
        "" => String::new(),
        path => format!("{path}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_and_star_stands_alone() {
        let mut account = Account::default();
        account.permissions.insert("/a/b/".into(), vec!["list".into(), "*".into()]);
        normalize(&mut account);
        assert_eq!(account.permissions["/a/b"], ["*"]);
    }

    #[test]
    fn a_key_prefix_ends_with_a_slash() {
        let mut account = Account::default();
        account.filesystem.provider = StorageProvider::S3;
        account.filesystem.s3config.key_prefix = "a/./b".into();
        normalize(&mut account);
        assert_eq!(account.filesystem.s3config.key_prefix, "a/b/");
    }
}
