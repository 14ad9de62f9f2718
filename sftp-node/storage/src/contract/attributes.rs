//! Modes, times and sizes.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use ferryd_domain::FaultKind;

use super::{Ground, MODES, NEW, kind};
use crate::{SetAttributes, WriteHow};

fn times(accessed: Option<u64>, modified: Option<u64>) -> SetAttributes {
    let time = |seconds: Option<u64>| seconds.map(|s| UNIX_EPOCH + Duration::from_secs(s));
    SetAttributes { accessed: time(accessed), modified: time(modified), ..SetAttributes::default() }
}

fn permissions(bits: u32) -> SetAttributes {
    SetAttributes { permissions: Some(bits), ..SetAttributes::default() }
}

pub async fn only_permission_bits_are_set(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().attributes, "attributes") {
        return;
    }
    ground.put("/file", b"x").await;
    ground.make_directory("/dir").await;
    for path in ["/file", "/dir"] {
        let resolved = ground.at(path).await;
        resolved.set_attributes(permissions(0o7751)).await.unwrap();
        assert_eq!(resolved.stat().await.unwrap().mode & 0o7777, 0o751, "{path}");
    }
    let file = ground.at("/file").await.open_read().await.unwrap();
    file.set_attributes(permissions(0o4600)).await.unwrap();
    assert_eq!(file.stat().await.unwrap().mode & 0o7777, 0o600);
}

pub async fn one_time_alone_leaves_the_other(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().attributes, "attributes") {
        return;
    }
    ground.put("/file", b"x").await;
    let resolved = ground.at("/file").await;
    resolved.set_attributes(times(Some(1000), Some(2000))).await.unwrap();
    resolved.set_attributes(times(None, Some(3000))).await.unwrap();
    resolved.set_attributes(permissions(0o640)).await.unwrap();
    let metadata = resolved.stat().await.unwrap();
    assert_eq!((metadata.accessed, metadata.modified), (1000, 3000));
}

pub async fn times_set_on_an_upload_survive_its_end(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().attributes, "attributes") {
        return;
    }
    for mode in MODES {
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        file.set_attributes(times(Some(1000), Some(2000))).await.unwrap();
        file.set_attributes(permissions(0o604)).await.unwrap();
        file.write_at(0, vec![Bytes::from_static(b"late")]).await.unwrap();
        file.finish().await.unwrap();
        let metadata = ground.at("/file").await.stat().await.unwrap();
        assert_eq!((metadata.accessed, metadata.modified), (1000, 2000), "{mode:?}");
        assert_eq!((metadata.mode & 0o7777, metadata.size), (0o604, 4), "{mode:?}");
        // A file that is replaced hands on its mode.
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        file.finish().await.unwrap();
        let metadata = ground.at("/file").await.stat().await.unwrap();
        assert_eq!(metadata.mode & 0o7777, 0o604, "{mode:?}");
        ground.at("/file").await.remove_file().await.unwrap();
    }
}

pub async fn the_size_can_be_set(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().attributes, "attributes") {
        return;
    }
    ground.put("/file", b"0123456789").await;
    let size = |size| SetAttributes { size: Some(size), ..SetAttributes::default() };
    ground.at("/file").await.set_attributes(size(4)).await.unwrap();
    assert_eq!(ground.get("/file").await.unwrap(), b"0123");
    ground.at("/file").await.set_attributes(size(6)).await.unwrap();
    assert_eq!(ground.get("/file").await.unwrap(), b"0123\0\0");
    assert!(ground.at("/file").await.set_attributes(size(u64::MAX)).await.is_err());
    ground.make_directory("/dir").await;
    assert!(ground.at("/dir").await.set_attributes(size(0)).await.is_err());
}

pub async fn attributes_of_a_missing_file_are_not_found(ground: &Ground) {
    for set in [permissions(0o600), times(Some(1), Some(1)), SetAttributes::default()] {
        let resolved = ground.at("/none").await;
        assert_eq!(kind(resolved.set_attributes(set).await), FaultKind::NotFound);
    }
}
