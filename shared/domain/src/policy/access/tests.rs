//! The permission table, row by row.

use super::*;
use crate::{ExtensionFilter, FaultKind, VirtualFolder};

const FILE: bool = false;
const DIRECTORY: bool = true;

fn path(raw: &str) -> VirtualPath {
    VirtualPath::parse(raw.as_bytes()).unwrap()
}

fn policy(entries: &[(&str, &[&str])]) -> AccessPolicy {
    AccessPolicy::of(&account(entries))
}

fn account(entries: &[(&str, &[&str])]) -> Account {
    let mut account = Account::default();
    for (directory, names) in entries {
        account.permissions.insert((*directory).into(), names.iter().map(|&n| n.into()).collect());
    }
    account
}

fn kind(policy: &AccessPolicy, operation: Operation, raw: &str) -> Option<FaultKind> {
    policy.check(operation, &path(raw)).err().map(|fault| fault.kind())
}

#[test]
fn every_operation_needs_its_permissions() {
    let rows: [(Operation, &[&str]); 16] = [
        (Operation::ListDirectory, &["list"]),
        (Operation::Stat, &["list"]),
        (Operation::ReadLink, &["list"]),
        (Operation::Hash, &["list"]),
        (Operation::Download, &["download"]),
        (Operation::Upload, &["upload"]),
        (Operation::Overwrite, &["overwrite", "upload"]),
        (Operation::RemoveFile, &["delete"]),
        (Operation::RemoveDirectory, &["delete"]),
        (Operation::RenameSource { directory: FILE }, &["rename"]),
        (Operation::RenameTarget { directory: FILE, replaces: true }, &["rename", "overwrite"]),
        (Operation::MakeDirectory, &["create_dirs"]),
        (Operation::MakeLink, &["create_symlinks"]),
        (Operation::ChangeMode { directory: FILE }, &["chmod"]),
        (Operation::ChangeOwner { directory: FILE }, &["chown"]),
        (Operation::ChangeTimes { directory: FILE }, &["chtimes"]),
    ];
    for (operation, needed) in rows {
        assert_eq!(kind(&policy(&[("/", needed)]), operation, "/d/x"), None, "{operation:?}");
        for missing in needed {
            let others: Vec<&str> = Permission::ALL
                .map(Permission::name)
                .into_iter()
                .filter(|n| n != missing)
                .collect();
            assert_eq!(
                kind(&policy(&[("/", &others)]), operation, "/d/x"),
                Some(FaultKind::PermissionDenied),
                "{operation:?} without {missing}"
            );
        }
    }
}

#[test]
fn the_nearest_directory_counts_alone() {
    let policy = policy(&[("/", &["list"]), ("/up", &["upload"]), ("/up/none", &[])]);
    assert_eq!(kind(&policy, Operation::Upload, "/up/f"), None);
    assert_eq!(kind(&policy, Operation::Upload, "/up/deep/f"), None);
    assert!(kind(&policy, Operation::Upload, "/f").is_some());
    assert!(kind(&policy, Operation::Upload, "/upper/f").is_some());
    assert!(kind(&policy, Operation::ListDirectory, "/up").is_some());
    assert!(kind(&policy, Operation::Upload, "/up/none/f").is_some());
}

#[test]
fn the_governing_directory_is_the_parent_but_for_listing_and_files_attributes() {
    let policy = policy(&[("/", &["list"]), ("/d", &["download", "chmod"])]);
    assert_eq!(kind(&policy, Operation::Stat, "/d"), None);
    assert!(kind(&policy, Operation::ListDirectory, "/d").is_some());
    assert!(kind(&policy, Operation::Download, "/d").is_some());
    assert_eq!(kind(&policy, Operation::Download, "/d/f"), None);
    assert!(kind(&policy, Operation::ChangeMode { directory: DIRECTORY }, "/d").is_some());
    assert_eq!(kind(&policy, Operation::ChangeMode { directory: FILE }, "/d"), None);
}

#[test]
fn the_root_stays() {
    let policy = policy(&[("/", &["*"])]);
    for operation in [Operation::RemoveDirectory, Operation::RenameSource { directory: DIRECTORY }]
    {
        assert_eq!(kind(&policy, operation, "/"), Some(FaultKind::PermissionDenied));
    }
}

#[test]
fn a_directory_with_rules_below_is_not_renamed() {
    let mut account = account(&[("/", &["*"]), ("/top/secret", &["list"])]);
    account.filters.file_extensions = vec![ExtensionFilter {
        path: "/filtered".into(),
        denied_extensions: vec![".x".into()],
        ..Default::default()
    }];
    account.virtual_folders =
        vec![VirtualFolder { virtual_path: "/v/w".into(), mapped_path: "/m".into() }];
    let policy = AccessPolicy::of(&account);
    let directory = Operation::RenameSource { directory: DIRECTORY };
    for raw in ["/top", "/filtered", "/v", "/v/w"] {
        assert_eq!(kind(&policy, directory, raw), Some(FaultKind::PermissionDenied), "{raw}");
    }
    assert_eq!(kind(&policy, directory, "/other"), None);
    let target = Operation::RenameTarget { directory: DIRECTORY, replaces: false };
    assert_eq!(kind(&policy, target, "/top"), Some(FaultKind::PermissionDenied));
    assert_eq!(kind(&policy, Operation::RenameSource { directory: FILE }, "/v/w/f"), None);
}

#[test]
fn a_virtual_folder_is_not_made_removed_or_linked_over() {
    let mut account = account(&[("/", &["*"])]);
    account.virtual_folders =
        vec![VirtualFolder { virtual_path: "/v".into(), mapped_path: "/m".into() }];
    let policy = AccessPolicy::of(&account);
    for operation in [Operation::RemoveDirectory, Operation::MakeDirectory, Operation::MakeLink] {
        assert_eq!(kind(&policy, operation, "/v"), Some(FaultKind::PermissionDenied));
    }
    assert_eq!(kind(&policy, Operation::RemoveFile, "/v"), Some(FaultKind::IsADirectory));
    assert_eq!(kind(&policy, Operation::RemoveFile, "/v/f"), None);
}

#[test]
fn extension_filters_concern_content_only() {
    let mut account = account(&[("/", &["*"])]);
    account.filters.file_extensions = vec![ExtensionFilter {
        path: "/".into(),
        denied_extensions: vec![".zip".into()],
        ..Default::default()
    }];
    let policy = AccessPolicy::of(&account);
    for operation in
        [Operation::Download, Operation::Upload, Operation::RemoveFile, Operation::Hash]
    {
        assert!(kind(&policy, operation, "/a.zip").is_some(), "{operation:?}");
    }
    for operation in [Operation::Stat, Operation::MakeDirectory, Operation::ListDirectory] {
        assert_eq!(kind(&policy, operation, "/a.zip"), None, "{operation:?}");
    }
    assert!(policy.has_extension_filter(&path("/deep/down")));
}

#[test]
fn rights_below_a_path_are_all_looked_at() {
    let policy = policy(&[("/", &["*"]), ("/a/b", &["list"])]);
    assert!(!policy.grants_below(&path("/a"), &[Permission::Delete]));
    assert!(policy.grants_below(&path("/c"), &[Permission::Delete]));
}

#[test]
fn a_link_is_judged_by_the_name_of_what_it_leads_to() {
    let mut account = account(&[("/", &["*"])]);
    account.filters.file_extensions = vec![ExtensionFilter {
        path: "/web".into(),
        allowed_extensions: Vec::new(),
        denied_extensions: vec![".php".into()],
    }];
    let policy = AccessPolicy::of(&account);
    let check = |operation, asked, found| {
        policy.check_behind_links(operation, &path(asked), &path(found)).is_ok()
    };
    assert!(check(Operation::Download, "/web/a.txt", "/free/b.txt"));
    assert!(!check(Operation::Download, "/web/a.txt", "/free/b.php"));
    assert!(!check(Operation::Download, "/free/a.txt", "/web/b.php"));
    assert!(check(Operation::Stat, "/web/a.txt", "/free/b.php"));
    assert!(policy.same_filter(&path("/web/a"), &path("/web")));
    assert!(policy.same_filter(&path("/a"), &path("/")));
    assert!(!policy.same_filter(&path("/web/a"), &path("/a")));
}
