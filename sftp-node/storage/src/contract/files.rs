//! Reading and writing of single files.

use bytes::Bytes;
use ferryd_domain::FaultKind;

use super::{Ground, NEW, kind};
use crate::{CopySource, WriteHow};

pub async fn what_is_written_is_read(ground: &Ground) {
    ground.put("/file", b"some bytes").await;
    assert_eq!(ground.get("/file").await.unwrap(), b"some bytes");
    let metadata = ground.at("/file").await.stat().await.unwrap();
    assert!(metadata.is_file());
    assert_eq!(metadata.size, 10);
}

pub async fn slices_may_come_in_any_order_and_leave_holes(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "writing at any offset") {
        return;
    }
    let file = ground.open("/file", NEW).await.unwrap();
    let slices = |parts: &[&'static str]| parts.iter().map(|part| Bytes::from(*part)).collect();
    file.write_at(10, slices(&["end", "", "!"])).await.unwrap();
    file.write_at(0, slices(&["be", "gin"])).await.unwrap();
    assert_eq!(file.stat().await.unwrap().size, 14);
    file.finish().await.unwrap();
    assert_eq!(ground.get("/file").await.unwrap(), b"begin\0\0\0\0\0end!");
    let file = ground.open("/file", NEW).await.unwrap();
    assert!(file.write_at(u64::MAX - 1, slices(&["x", "y"])).await.is_err());
}

pub async fn reading_stops_at_the_end_of_the_file(ground: &Ground) {
    ground.put("/file", b"0123456789").await;
    let file = ground.at("/file").await.open_read().await.unwrap();
    assert_eq!(file.read_at(4, 3, b"head".to_vec()).await.unwrap(), b"head456");
    assert_eq!(file.read_at(8, 100, Vec::with_capacity(5000)).await.unwrap(), b"89");
    assert_eq!(file.read_at(10, 100, Vec::new()).await.unwrap(), b"");
    for offset in [11, i64::MAX as u64, u64::MAX] {
        assert_eq!(file.read_at(offset, 100, b"h".to_vec()).await.unwrap(), b"h");
    }
    assert_eq!(file.stat().await.unwrap().size, 10);
}

pub async fn only_regular_files_are_opened(ground: &Ground) {
    ground.make_directory("/dir").await;
    let reading = ground.at("/dir").await.open_read().await;
    assert_eq!(kind(reading), FaultKind::IsADirectory);
    for mode in super::MODES {
        for path in ["/dir", "/"] {
            let writing = ground.open(path, WriteHow { mode, ..NEW }).await;
            assert_eq!(kind(writing), FaultKind::Unsupported, "{path} {mode:?}");
        }
    }
    ground.put("/file", b"").await;
    assert_eq!(kind(ground.at("/file").await.list().await), FaultKind::NotADirectory);
}

pub async fn a_missing_file_is_only_made_on_request(ground: &Ground) {
    assert_eq!(kind(ground.get("/none").await), FaultKind::NotFound);
    assert_eq!(kind(ground.at("/none").await.stat().await), FaultKind::NotFound);
    for mode in super::MODES {
        let opened = ground.open("/none", WriteHow { mode, create: false, ..NEW }).await;
        assert_eq!(kind(opened), FaultKind::NotFound, "{mode:?}");
    }
    assert!(ground.names("/").await.is_empty());
}

pub async fn an_exclusive_open_refuses_an_existing_file(ground: &Ground) {
    ground.put("/file", b"old").await;
    for mode in super::MODES {
        let how = WriteHow { mode, exclusive: true, ..NEW };
        let opened = ground.open("/file", how).await;
        assert_eq!(kind(opened), FaultKind::AlreadyExists, "{mode:?}");
        ground.open("/new", how).await.unwrap().finish().await.unwrap();
        ground.at("/new").await.remove_file().await.unwrap();
    }
    assert_eq!(ground.get("/file").await.unwrap(), b"old");
}

pub async fn a_file_open_for_both_is_read_while_it_is_written(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "writing at any offset") {
        return;
    }
    for mode in super::MODES {
        let file = ground.open("/both", WriteHow { mode, read: true, ..NEW }).await.unwrap();
        file.write_at(0, vec![Bytes::from_static(b"abc")]).await.unwrap();
        assert_eq!(file.read_at(1, 10, Vec::new()).await.unwrap(), b"bc", "{mode:?}");
        file.sync().await.unwrap();
        file.finish().await.unwrap();
    }
    let file = ground.open("/both", NEW).await.unwrap();
    assert_eq!(kind(file.read_at(0, 1, Vec::new()).await), FaultKind::Unsupported);
}

pub async fn long_reads_are_whole(ground: &Ground) {
    let data: Vec<u8> = (0..700_001_u32).map(|number| (number % 251) as u8).collect();
    let file = ground.open("/long", NEW).await.unwrap();
    for (index, part) in data.chunks(100_000).enumerate() {
        let slices = vec![Bytes::copy_from_slice(part)];
        file.write_at(index as u64 * 100_000, slices).await.unwrap();
    }
    file.finish().await.unwrap();
    let file = ground.at("/long").await.open_read().await.unwrap();
    for length in [1000, 32 * 1024, 65_537, 261_120, 1 << 20] {
        let mut whole = Vec::new();
        loop {
            let offset = whole.len();
            whole = file.read_at(offset as u64, length, whole).await.unwrap();
            if whole.len() == offset {
                break;
            }
            assert!(whole.len() - offset == length || whole.len() == data.len(), "{length}");
        }
        assert!(whole == data, "{length}");
    }
}

pub async fn parts_are_copied_between_open_files(ground: &Ground) {
    let data: Vec<u8> = (0..700_001_u32).map(|number| (number % 251) as u8).collect();
    let file = ground.open("/long", NEW).await.unwrap();
    file.write_at(0, vec![Bytes::from(data.clone())]).await.unwrap();
    file.finish().await.unwrap();
    let source = ground.at("/long").await.open_read().await.unwrap();
    let from = CopySource::Read(source.as_ref());
    for mode in super::MODES {
        let file = ground.open("/copy", WriteHow { mode, ..NEW }).await.unwrap();
        assert_eq!(file.copy_from(from, 0, 0, 600_000).await.unwrap(), 600_000);
        assert_eq!(file.copy_from(from, 600_000, 600_000, 1 << 20).await.unwrap(), 100_001);
        for beyond in [700_001, i64::MAX as u64, u64::MAX] {
            assert_eq!(file.copy_from(from, beyond, 0, 10).await.unwrap(), 0, "{beyond}");
        }
        assert_eq!(file.copy_from(from, 10, 0, 0).await.unwrap(), 0);
        assert!(file.copy_from(from, 0, u64::MAX - 1, 10).await.is_err());
        assert_eq!(file.stat().await.unwrap().size, 700_001, "{mode:?}");
        file.finish().await.unwrap();
        assert!(ground.get("/copy").await.unwrap() == data, "{mode:?}");
    }
}

pub async fn a_copy_takes_what_is_written_so_far(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "writing at any offset") {
        return;
    }
    let both = ground.open("/both", WriteHow { read: true, ..NEW }).await.unwrap();
    both.write_at(0, vec![Bytes::from_static(b"abcdef")]).await.unwrap();
    let file = ground.open("/copy", NEW).await.unwrap();
    let from = CopySource::Write(both.as_ref());
    assert_eq!(file.copy_from(from, 2, 1, 3).await.unwrap(), 3);
    assert_eq!(both.copy_from(from, 0, 6, 2).await.unwrap(), 2);
    let unread = CopySource::Write(file.as_ref());
    assert_eq!(kind(both.copy_from(unread, 0, 0, 1).await), FaultKind::Unsupported);
    both.finish().await.unwrap();
    file.finish().await.unwrap();
    assert_eq!(ground.get("/copy").await.unwrap(), b"\0cde");
    assert_eq!(ground.get("/both").await.unwrap(), b"abcdefab");
}
