//! How uploads treat what they find, in each mode.

use bytes::Bytes;

use super::{Ground, MODES, NEW};
use crate::{WriteHow, WriteMode};

async fn write(file: &dyn crate::WriteHandle, data: &'static [u8]) {
    file.write_at(0, vec![Bytes::from_static(data)]).await.unwrap();
}

pub async fn old_bytes_stay_without_truncation(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "resuming") {
        return;
    }
    for mode in MODES {
        ground.put("/file", b"0123456789").await;
        let how = WriteHow { mode, truncate: false, create: false, ..NEW };
        let file = ground.open("/file", how).await.unwrap();
        assert_eq!(file.replaced(), Some(10), "{mode:?}");
        write(file.as_ref(), b"abc").await;
        file.write_at(10, vec![Bytes::from_static(b"more")]).await.unwrap();
        file.finish().await.unwrap();
        assert_eq!(ground.get("/file").await.unwrap(), b"abc3456789more", "{mode:?}");
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        assert_eq!(file.replaced(), Some(14));
        file.finish().await.unwrap();
        assert_eq!(ground.get("/file").await.unwrap(), b"", "{mode:?}");
        let file = ground.open("/fresh", WriteHow { mode, ..NEW }).await.unwrap();
        assert_eq!(file.replaced(), None);
        file.finish().await.unwrap();
        ground.at("/fresh").await.remove_file().await.unwrap();
    }
}

pub async fn an_atomic_upload_shows_nothing_before_its_end(ground: &Ground) {
    for mode in [WriteMode::Atomic, WriteMode::AtomicKeepPart] {
        let file = ground.open("/new", WriteHow { mode, ..NEW }).await.unwrap();
        write(file.as_ref(), b"new").await;
        assert!(ground.get("/new").await.is_err(), "{mode:?}");
        file.finish().await.unwrap();
        assert_eq!(ground.get("/new").await.unwrap(), b"new");
        let file = ground.open("/new", WriteHow { mode, ..NEW }).await.unwrap();
        write(file.as_ref(), b"newer").await;
        assert_eq!(ground.get("/new").await.unwrap(), b"new", "{mode:?}");
        file.finish().await.unwrap();
        assert_eq!(ground.get("/new").await.unwrap(), b"newer");
        ground.at("/new").await.remove_file().await.unwrap();
    }
}

pub async fn a_broken_atomic_upload_leaves_the_old_file(ground: &Ground) {
    let how = WriteHow { mode: WriteMode::Atomic, ..NEW };
    ground.put("/file", b"old").await;
    for truncate in [true, false] {
        if !truncate && !ground.storage.capabilities().resume {
            continue;
        }
        let file = ground.open("/file", WriteHow { truncate, ..how }).await.unwrap();
        write(file.as_ref(), b"part").await;
        file.abort().await.unwrap();
        assert_eq!(ground.get("/file").await.unwrap(), b"old");
    }
    let file = ground.open("/none", how).await.unwrap();
    write(file.as_ref(), b"part").await;
    file.abort().await.unwrap();
    assert_eq!(ground.names("/").await, [b"file"]);
}

pub async fn a_broken_upload_can_keep_its_part(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "resuming") {
        return;
    }
    for mode in [WriteMode::Direct, WriteMode::AtomicKeepPart] {
        ground.put("/file", b"old bytes").await;
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        write(file.as_ref(), b"part").await;
        file.abort().await.unwrap();
        assert_eq!(ground.get("/file").await.unwrap(), b"part", "{mode:?}");
        assert_eq!(ground.names("/").await, [b"file"]);
    }
}

pub async fn a_dropped_upload_is_a_broken_one(ground: &Ground) {
    for (mode, left) in [
        (WriteMode::Direct, b"part".as_slice()),
        (WriteMode::Atomic, b"old"),
        (WriteMode::AtomicKeepPart, b"part"),
    ] {
        if mode != WriteMode::Atomic && !ground.storage.capabilities().resume {
            continue;
        }
        ground.put("/file", b"old").await;
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        write(file.as_ref(), b"part").await;
        drop(file);
        // The end of a slow disk comes on the pool.
        while ground.names("/").await.len() > 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(ground.get("/file").await.unwrap(), left, "{mode:?}");
    }
}

pub async fn an_upload_ends_once(ground: &Ground) {
    for mode in MODES {
        let file = ground.open("/file", WriteHow { mode, ..NEW }).await.unwrap();
        file.finish().await.unwrap();
        assert!(file.finish().await.is_err() && file.abort().await.is_err(), "{mode:?}");
        assert_eq!(ground.names("/").await, [b"file"]);
    }
}

pub async fn temporary_files_never_stay(ground: &Ground) {
    let long = "n".repeat(255);
    let path = format!("/{long}");
    for mode in MODES {
        let file = ground.open(&path, WriteHow { mode, ..NEW }).await.unwrap();
        file.finish().await.unwrap();
        assert_eq!(ground.names("/").await, [long.as_bytes()], "{mode:?}");
    }
    ground.at(&path).await.remove_file().await.unwrap();
    // A directory that takes the name meanwhile stays, the upload fails.
    for mode in [WriteMode::Atomic, WriteMode::AtomicKeepPart] {
        let file = ground.open("/name", WriteHow { mode, ..NEW }).await.unwrap();
        ground.make_directory("/name").await;
        assert!(file.finish().await.is_err(), "{mode:?}");
        assert_eq!(ground.names("/").await, [b"name"]);
        ground.at("/name").await.remove_directory().await.unwrap();
    }
}

pub async fn appenders_lose_nothing_of_each_other(ground: &Ground) {
    if !ground.can(ground.storage.capabilities().resume, "resuming") {
        return;
    }
    for mode in MODES {
        ground.put("/log", b"old ").await;
        let how = WriteHow { mode, append: true, truncate: false, create: false, ..NEW };
        let (one, two) = (ground.open("/log", how).await, ground.open("/log", how).await);
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one.replaced(), Some(4), "{mode:?}");
        let append = async |file: &dyn crate::WriteHandle, data: &'static [u8]| {
            let slices = data.chunks(1).map(Bytes::from_static).collect();
            assert_eq!(file.append(slices).await.unwrap(), data.len());
        };
        append(one.as_ref(), b"one ").await;
        append(two.as_ref(), b"two ").await;
        write(one.as_ref(), b"offsets do not count ").await;
        one.finish().await.unwrap();
        append(two.as_ref(), b"end").await;
        two.abort().await.unwrap();
        let all = b"old one two offsets do not count end";
        assert_eq!(ground.get("/log").await.unwrap(), all, "{mode:?}");
        assert_eq!(ground.names("/").await, [b"log"]);
    }
}

pub async fn an_appender_makes_a_missing_file_as_its_mode_says(ground: &Ground) {
    for mode in MODES {
        let how = WriteHow { mode, append: true, truncate: false, ..NEW };
        let file = ground.open("/new", how).await.unwrap();
        assert_eq!(file.replaced(), None);
        write(file.as_ref(), b"a").await;
        write(file.as_ref(), b"b").await;
        assert_eq!(ground.get("/new").await.is_ok(), mode == WriteMode::Direct, "{mode:?}");
        file.finish().await.unwrap();
        assert_eq!(ground.get("/new").await.unwrap(), b"ab", "{mode:?}");
        ground.at("/new").await.remove_file().await.unwrap();
        if mode != WriteMode::Direct {
            let file = ground.open("/new", how).await.unwrap();
            ground.put("/new", b"of another").await;
            assert!(file.finish().await.is_err(), "{mode:?}");
            assert_eq!(ground.get("/new").await.unwrap(), b"of another");
            ground.at("/new").await.remove_file().await.unwrap();
        }
    }
}
