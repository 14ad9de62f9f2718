//! What only a disk has: special files, modes, owners, leftovers and counts.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ferryd_domain::{Account, FaultKind};

use super::super::{LocalOptions, LocalStorage, Ownership, Root, leftovers, usage};
use crate::contract::{Ground, MODES, NEW, kind};
use crate::{FileKind, WriteHow};

fn ground(directory: &Path, options: LocalOptions) -> Ground {
    Ground::new(Arc::new(LocalStorage::new(Root::open(directory, options).unwrap())))
}

#[tokio::test]
async fn special_files_are_listed_and_never_opened() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    let mode = rustix::fs::Mode::from_raw_mode(0o666);
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(directory.path().join("socket")).unwrap();
    let ground = ground(directory.path(), LocalOptions::default());
    for path in ["/fifo", "/socket"] {
        let resolved = ground.at(path).await;
        assert_eq!(resolved.stat().await.unwrap().kind, FileKind::Special);
        assert_eq!(kind(resolved.open_read().await), FaultKind::Failed, "{path}");
        for mode in MODES {
            for read in [false, true] {
                let opened = resolved.open_write(WriteHow { mode, read, ..NEW }).await;
                assert_eq!(kind(opened), FaultKind::Failed, "{path} {mode:?}");
            }
        }
    }
    assert_eq!(ground.names("/").await.len(), 2);
    ground.at("/fifo").await.remove_file().await.unwrap();
}

#[tokio::test]
async fn the_umask_of_the_configuration_counts_alone() {
    for umask in [0o022, 0o077, 0o000, 0o002] {
        let directory = tempfile::tempdir().unwrap();
        let ground = ground(directory.path(), LocalOptions { umask, ..Default::default() });
        for mode in MODES {
            ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap().finish().await.unwrap();
            let mode = ground.at("/file").await.stat().await.unwrap().mode;
            assert_eq!(mode & 0o7777, 0o666 & !umask, "{umask:o}");
            ground.at("/file").await.remove_file().await.unwrap();
        }
        ground.make_directory("/dir").await;
        let mode = ground.at("/dir").await.stat().await.unwrap().mode;
        assert_eq!(mode & 0o7777, 0o777 & !umask, "{umask:o}");
    }
}

#[tokio::test]
async fn what_an_account_makes_belongs_to_it() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("theirs"), b"x").unwrap();
    let account = Account { uid: 1234, gid: 0, ..Account::default() };
    let options = LocalOptions { owner: Ownership::of(&account), ..Default::default() };
    let ground = ground(directory.path(), options);
    for mode in MODES {
        let path = format!("/{mode:?}");
        ground.open(&path, WriteHow { mode, ..NEW }).await.unwrap().finish().await.unwrap();
    }
    ground.make_directory("/dir").await;
    ground.make_link("/link", "/dir").await;
    ground.at("/theirs").await.rename(ground.at("/mine").await.as_ref()).await.unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let path = entry.unwrap().path();
        let owner = fs::symlink_metadata(&path).unwrap();
        assert_eq!((owner.uid(), owner.gid()), (1234, 0), "{path:?}");
    }
}

#[tokio::test]
async fn a_replaced_file_keeps_its_owner_without_one_in_the_account() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&file, Some(4321), Some(4322)).unwrap();
    let ground = ground(directory.path(), LocalOptions::default());
    for mode in MODES {
        ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap().finish().await.unwrap();
        let now = fs::metadata(&file).unwrap();
        assert_eq!((now.uid(), now.gid(), now.mode() & 0o7777), (4321, 4322, 0o640), "{mode:?}");
    }
}

#[tokio::test]
async fn a_replaced_file_belongs_to_the_account_in_every_mode() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give files away");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let account = Account { uid: 1234, gid: 1235, ..Account::default() };
    let options = LocalOptions { owner: Ownership::of(&account), ..Default::default() };
    let ground = ground(directory.path(), options);
    for mode in MODES {
        for truncate in [true, false] {
            let file = directory.path().join(format!("{mode:?}{truncate}"));
            fs::write(&file, b"theirs").unwrap();
            let path = format!("/{mode:?}{truncate}");
            let how = WriteHow { mode, truncate, ..NEW };
            ground.open(&path, how).await.unwrap().finish().await.unwrap();
            let now = fs::metadata(&file).unwrap();
            assert_eq!((now.uid(), now.gid()), (1234, 1235), "{mode:?} {truncate}");
        }
    }
}

#[tokio::test]
async fn leftovers_are_swept_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let left = deep.join(".sftpgo-upload.0123456789abcdefghij.name");
    fs::write(&left, b"part").unwrap();
    fs::write(deep.join("file"), b"file").unwrap();
    fs::write(deep.join(".sftpgo-upload.note"), b"file").unwrap();
    let top = directory.path().to_owned();
    let sweep = |started, goes_on| leftovers::sweep(top.clone(), started, move || goes_on);
    assert_eq!(sweep(SystemTime::UNIX_EPOCH, true).await.unwrap(), 0);
    let later = SystemTime::now() + Duration::from_secs(10);
    assert!(sweep(later, false).await.is_err(), "it was told to stop");
    assert!(left.exists());
    assert_eq!(sweep(later, true).await.unwrap(), 1);
    assert!(!left.exists());
    assert_eq!(fs::read_dir(deep).unwrap().count(), 2);
}

#[tokio::test]
async fn an_upload_that_runs_is_no_leftover_however_old_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let ground = ground(directory.path(), LocalOptions::default());
    let how = WriteHow { mode: crate::WriteMode::Atomic, ..NEW };
    let upload = ground.open("/file", how).await.unwrap();
    let later = SystemTime::now() + Duration::from_secs(10);
    let top = directory.path().to_owned();
    assert_eq!(leftovers::sweep(top.clone(), later, || true).await.unwrap(), 0);
    upload.finish().await.unwrap();
    assert!(top.join("file").exists());
    assert_eq!(leftovers::sweep(top, later, || true).await.unwrap(), 0);
}

#[test]
fn files_are_counted_at_any_depth_and_links_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let mut deep = directory.path().to_owned();
    for _ in 0..120 {
        deep.push("d");
        fs::create_dir(&deep).unwrap();
        fs::write(deep.join("file"), b"12345").unwrap();
    }
    std::os::unix::fs::symlink("/usr", directory.path().join("link")).unwrap();
    let usage = usage(directory.path(), &|| true).unwrap();
    assert_eq!((usage.files, usage.size), (120, 600));
    assert!(super::super::usage(directory.path(), &|| false).is_err(), "told to stop");
    assert_eq!(
        super::super::usage(Path::new("/does/not/exist"), &|| true).unwrap(),
        Default::default()
    );
}

#[tokio::test]
async fn the_size_of_the_disk_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let ground = ground(directory.path(), LocalOptions::default());
    ground.put("/file", b"x").await;
    for path in ["/", "/file"] {
        let space = ground.at(path).await.space().await.unwrap();
        assert!(space.blocks > 0 && space.block_size > 0 && space.name_max >= 255, "{path}");
    }
}

#[tokio::test]
async fn real_paths_are_those_of_the_disk() {
    let directory = tempfile::tempdir().unwrap();
    let ground = ground(directory.path(), LocalOptions::default());
    let real = fs::canonicalize(directory.path()).unwrap();
    assert_eq!(ground.at("/").await.real_path().to_text(), real.display().to_string());
    assert_eq!(ground.at("/x").await.real_path().to_text(), real.join("x").display().to_string());
    ground.make_link("/link", "/x").await;
    assert_eq!(fs::read_link(real.join("link")).unwrap(), real.join("x"));
    ground.make_link("/relative", "a/../x").await;
    assert_eq!(fs::read_link(real.join("relative")).unwrap(), Path::new("a/../x"));
}
