//! The contract on a disk, in each way that the disk can be asked, and what only a disk has.
#![expect(clippy::disallowed_methods, reason = "the tests look at the disk from the other side")]

mod confinement;
mod disk;

use std::sync::Arc;

use super::{LocalOptions, LocalStorage, Root};
use crate::Storage;

/// Magic number of FUSE: everything goes to the pool.
const FUSE: u64 = 0x6573_5546;
/// Magic number of tmpfs: nothing does.
const TMPFS: u64 = 0x0102_1994;

type Opened = (tempfile::TempDir, Arc<dyn Storage>);

fn opened(change: impl Fn(Root) -> Root) -> Opened {
    let directory = tempfile::tempdir().unwrap();
    let root = change(Root::open(directory.path(), LocalOptions::default()).unwrap());
    (directory, Arc::new(LocalStorage::new(root)))
}

mod as_found {
    use super::*;

    async fn open() -> Opened {
        opened(|root| root)
    }

    crate::storage_contract!(open);
}

mod on_a_slow_disk {
    use super::*;

    async fn open() -> Opened {
        opened(|root| root.on_lane_of(FUSE))
    }

    crate::storage_contract!(open);
}

mod in_memory {
    use super::*;

    async fn open() -> Opened {
        opened(|root| root.on_lane_of(TMPFS))
    }

    crate::storage_contract!(open);
}

mod without_openat2 {
    use super::*;

    async fn open() -> Opened {
        opened(Root::without_openat2)
    }

    crate::storage_contract!(open);
}
