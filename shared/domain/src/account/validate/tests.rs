//! One row per rule.

use super::*;
use crate::Secret;
use crate::{ExtensionFilter, VirtualFolder};

fn valid() -> Account {
    let mut account = Account {
        username: Username::stored("bob"),
        home_dir: "/srv/bob".into(),
        password: Secret::new("secret".into()),
        status: 1,
        ..Account::default()
    };
    account.permissions.insert("/".into(), vec!["*".into()]);
    account
}

fn refused(change: impl FnOnce(&mut Account)) -> String {
    let mut account = valid();
    change(&mut account);
    validate(&account).expect_err("the account should be refused").public().to_owned()
}

fn folder(virtual_path: &str, mapped_path: &str) -> VirtualFolder {
    VirtualFolder { virtual_path: virtual_path.into(), mapped_path: mapped_path.into() }
}

fn filter(path: &str, denied: &[&str]) -> ExtensionFilter {
    ExtensionFilter {
        path: path.into(),
        allowed_extensions: vec![],
        denied_extensions: denied.iter().map(|&e| e.into()).collect(),
    }
}

#[test]
fn a_plain_account_is_valid() {
    validate(&valid()).unwrap();
}

#[test]
fn each_broken_field_is_named() {
    assert!(refused(|a| a.username = Username::stored("")).contains("username"));
    assert!(refused(|a| a.home_dir.clear()).contains("home_dir"));
    assert!(refused(|a| a.home_dir = "srv/bob".into()).contains("home_dir"));
    assert!(refused(|a| a.password = Secret::default()).contains("public_key"));
    assert!(refused(|a| a.status = 2).contains("status"));
    assert!(refused(|a| a.public_keys = vec!["nonsense".into()]).contains("public_keys"));
    assert!(refused(|a| a.filters.allowed_ip = vec!["192.0.2.1".into()]).contains("allowed_ip"));
    assert!(refused(|a| a.filters.denied_ip = vec!["x/8".into()]).contains("denied_ip"));
}

#[test]
fn permissions_need_a_root_entry_and_known_names() {
    let set = |path: &str, names: &[&str]| {
        let entry = (path.to_owned(), names.iter().map(|&n| n.to_owned()).collect::<Vec<_>>());
        move |a: &mut Account| {
            a.permissions.insert(entry.0, entry.1);
        }
    };
    assert!(refused(|a| a.permissions.clear()).contains("permissions"));
    assert!(refused(|a| a.permissions = [("/a".into(), vec!["*".into()])].into()).contains("root"));
    assert!(refused(set("/", &[])).contains("root"));
    assert!(refused(set("/a", &["fly"])).contains("fly"));
    assert!(refused(set("a", &["list"])).contains("permissions"));
    assert!(refused(set("/..", &["list"])).contains("root"));
    assert!(refused(set("/a", &["list"; 13])).contains("permissions"));
    let mut account = valid();
    account.permissions.insert("/none".into(), vec![]);
    validate(&account).unwrap();
}

#[test]
fn login_methods_are_known_and_one_stays() {
    let all = ["publickey", "password", "keyboard-interactive"].map(String::from).to_vec();
    assert!(refused(|a| a.filters.denied_login_methods = all).contains("denied_login_methods"));
    assert!(refused(|a| a.filters.denied_login_methods = vec!["telnet".into()]).contains("telnet"));
}

#[test]
fn extension_filters_are_absolute_unique_and_not_empty() {
    for filters in [
        vec![filter("a", &[".zip"])],
        vec![filter("/a", &[])],
        vec![filter("/a", &[".zip"]), filter("/a/", &[".rar"])],
    ] {
        assert!(refused(|a| a.filters.file_extensions = filters).contains("file_extensions"));
    }
}

#[test]
fn virtual_folders_overlap_neither_home_nor_one_another() {
    for folders in [
        vec![folder("/", "/m")],
        vec![folder("v", "/m")],
        vec![folder("/v", "m")],
        vec![folder("/v", "/srv/bob")],
        vec![folder("/v", "/srv/bob/x")],
        vec![folder("/v", "/srv")],
        vec![folder("/v", "/m"), folder("/v/w", "/n")],
        vec![folder("/v", "/m"), folder("/w", "/m/n")],
    ] {
        refused(|a| a.virtual_folders = folders);
    }
    let mut account = valid();
    account.virtual_folders = vec![folder("/a", "/srv/bob2"), folder("/ab", "/srv/bob3")];
    validate(&account).unwrap();
}

#[test]
fn cloud_storage_needs_its_settings() {
    assert!(refused(|a| a.filesystem.provider = StorageProvider::S3).contains("bucket"));
    assert!(refused(|a| a.filesystem.provider = StorageProvider::Gcs).contains("bucket"));
    let s3 = |key: &str, prefix: &str| {
        let (key, prefix) = (key.to_owned(), prefix.to_owned());
        move |a: &mut Account| {
            a.filesystem.provider = StorageProvider::S3;
            a.filesystem.s3config.bucket = "b".into();
            a.filesystem.s3config.region = "r".into();
            a.filesystem.s3config.access_key = key;
            a.filesystem.s3config.key_prefix = prefix;
        }
    };
    assert!(refused(s3("key", "")).contains("access_key"));
    assert!(refused(s3("", "/a")).contains("key_prefix"));
    assert!(
        refused(|a| {
            a.filesystem.provider = StorageProvider::Gcs;
            a.filesystem.gcsconfig.bucket = "b".into();
            a.filesystem.gcsconfig.credentials = Secret::new("%%%".into());
        })
        .contains("base64")
    );
}

#[test]
fn options_that_cannot_be_obeyed_are_refused_in_new_lines_only() {
    const KEY: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIJxBW5jVQ0nn8FqBTMUp5F3c4kiUpbA/jyc6gTL5sFlZ";
    let with = |options: &str| {
        let mut account = valid();
        account.public_keys = vec![KEY.to_owned(), format!("{options} {KEY}")];
        account
    };
    for options in ["restrict", "from=\"10.0.0.0/8\"", "expiry-time=\"20300101\""] {
        new_key_options(&with(options), &[]).unwrap();
    }
    for options in ["cert-authority", "command=\"x y\"", "environment=\"A=b\"", "what"] {
        let account = with(options);
        validate(&account).unwrap();
        let fault = new_key_options(&account, &[]).unwrap_err();
        assert!(fault.public().starts_with("public_keys: key nr. 1: "), "{fault}");
        new_key_options(&account, &account.public_keys).unwrap();
    }
}
