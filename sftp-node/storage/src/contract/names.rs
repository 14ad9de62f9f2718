//! Directories, names and renames.

use std::collections::BTreeSet;

use ferryd_domain::{FaultKind, VirtualPath};

use super::{Ground, NEW, kind};
use crate::{FileKind, Links};

pub async fn directories_are_made_and_removed(ground: &Ground) {
    ground.make_directory("/a").await;
    assert!(ground.at("/a").await.stat().await.unwrap().is_directory());
    assert_eq!(kind(ground.at("/a").await.make_directory(0o777).await), FaultKind::AlreadyExists);
    ground.put("/a/file", b"x").await;
    assert_eq!(kind(ground.at("/a").await.remove_directory().await), FaultKind::NotEmpty);
    assert_eq!(kind(ground.at("/a").await.remove_file().await), FaultKind::IsADirectory);
    assert_eq!(kind(ground.at("/a/file").await.remove_directory().await), FaultKind::NotADirectory);
    ground.at("/a/file").await.remove_file().await.unwrap();
    ground.at("/a").await.remove_directory().await.unwrap();
    assert_eq!(kind(ground.at("/a").await.remove_directory().await), FaultKind::NotFound);
    assert_eq!(kind(ground.at("/a").await.remove_file().await), FaultKind::NotFound);
    assert!(ground.names("/").await.is_empty());
}

pub async fn the_root_cannot_be_changed(ground: &Ground) {
    let root = ground.at("/").await;
    assert!(root.path().is_root());
    assert!(root.stat().await.unwrap().is_directory());
    assert_eq!(kind(root.remove_directory().await), FaultKind::PermissionDenied);
    assert_eq!(kind(root.remove_file().await), FaultKind::PermissionDenied);
    assert_eq!(kind(root.make_directory(0o777).await), FaultKind::AlreadyExists);
    ground.make_directory("/a").await;
    let a = ground.at("/a").await;
    assert_eq!(kind(root.rename(a.as_ref()).await), FaultKind::PermissionDenied);
    assert_eq!(kind(a.rename(root.as_ref()).await), FaultKind::PermissionDenied);
}

pub async fn parents_must_be_directories(ground: &Ground) {
    ground.put("/file", b"x").await;
    for links in [Links::Keep, Links::Follow] {
        assert_eq!(kind(ground.resolve(b"/none/x", links).await), FaultKind::NotFound);
        assert_eq!(kind(ground.resolve(b"/file/x", links).await), FaultKind::NotADirectory);
        assert_eq!(kind(ground.resolve(b"/file/x/y", links).await), FaultKind::NotADirectory);
    }
    let long = vec![b'l'; 256];
    let path = VirtualPath::root().child(&long);
    let opened = match ground.storage.resolve(&path, Links::Follow).await {
        Ok(resolved) => resolved.open_write(NEW).await.map(drop),
        Err(fault) => Err(fault),
    };
    assert_eq!(kind(opened), FaultKind::InvalidInput);
}

pub async fn a_rename_replaces_files_and_never_directories(ground: &Ground) {
    ground.put("/a", b"a").await;
    ground.put("/b", b"b").await;
    ground.make_directory("/empty").await;
    ground.make_directory("/full").await;
    ground.put("/full/x", b"x").await;
    let at = |path: &'static str| ground.at(path);
    at("/a").await.rename(at("/b").await.as_ref()).await.unwrap();
    assert_eq!(ground.get("/b").await.unwrap(), b"a");
    assert_eq!(kind(ground.get("/a").await), FaultKind::NotFound);
    for (from, to) in [("/b", "/empty"), ("/full", "/empty"), ("/empty", "/full")] {
        let renamed = at(from).await.rename(at(to).await.as_ref()).await;
        assert_eq!(kind(renamed), FaultKind::IsADirectory, "{from} {to}");
    }
    assert!(at("/empty").await.rename(at("/b").await.as_ref()).await.is_err());
    assert_eq!(kind(at("/none").await.rename(at("/c").await.as_ref()).await), FaultKind::NotFound);
    at("/b").await.rename(at("/b").await.as_ref()).await.unwrap();
    assert_eq!(ground.get("/b").await.unwrap(), b"a");
    at("/b").await.rename(at("/full/b").await.as_ref()).await.unwrap();
    assert_eq!(ground.names("/full").await, [b"b", b"x"]);
}

pub async fn a_directory_is_renamed_with_its_entries(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().rename_directories, "renaming of directories") {
        return;
    }
    ground.make_directory("/a").await;
    ground.make_directory("/a/b").await;
    ground.put("/a/b/c", b"c").await;
    let inside = ground.at("/a/b/d").await;
    assert!(ground.at("/a").await.rename(inside.as_ref()).await.is_err());
    ground.at("/a").await.rename(ground.at("/z").await.as_ref()).await.unwrap();
    assert_eq!(ground.get("/z/b/c").await.unwrap(), b"c");
    assert_eq!(kind(ground.resolve(b"/a/b", Links::Keep).await), FaultKind::NotFound);
}

pub async fn names_are_any_bytes(ground: &Ground) {
    let names: [&[u8]; 5] = [b"\xff\xfe", b"...", b" ", b"-rf", "\u{fc}\n".as_bytes()];
    for name in names {
        let path = VirtualPath::root().child(name);
        let resolved = ground.storage.resolve(&path, Links::Follow).await.unwrap();
        resolved.open_write(NEW).await.unwrap().finish().await.unwrap();
        assert_eq!(resolved.path(), &path);
    }
    let mut expected: Vec<_> = names.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(ground.names("/").await, expected);
}

pub async fn a_listing_shows_every_entry_once(ground: &Ground) {
    ground.make_directory("/dir").await;
    assert!(ground.names("/dir").await.is_empty());
    for number in 0..700 {
        let path = format!("/dir/entry-{number}");
        match number % 10 {
            0 => ground.make_directory(&path).await,
            _ => ground.put(&path, b"12345").await,
        }
    }
    let mut listing = ground.at("/dir").await.list().await.unwrap();
    let mut seen = BTreeSet::new();
    loop {
        let batch = listing.next(100).await.unwrap();
        if batch.is_empty() {
            break;
        }
        for (name, metadata) in batch {
            match metadata.kind {
                FileKind::File => assert_eq!(metadata.size, 5),
                FileKind::Directory => {}
                FileKind::Symlink | FileKind::Special => panic!("{metadata:?}"),
            }
            assert!(seen.insert(name), "shown twice");
        }
    }
    assert_eq!(seen.len(), 700);
    assert!(listing.next(100).await.unwrap().is_empty());
}

pub async fn a_place_is_where_it_was_found(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().rename_directories, "renaming of directories") {
        return;
    }
    ground.make_directory("/a").await;
    let resolved = ground.at("/a/file").await;
    ground.at("/a").await.rename(ground.at("/b").await.as_ref()).await.unwrap();
    ground.make_directory("/a").await;
    resolved.open_write(NEW).await.unwrap().finish().await.unwrap();
    assert!(ground.names("/a").await.is_empty());
    assert_eq!(ground.names("/b").await, [b"file"]);
}
