//! Whether a file system may be asked on the thread of a connection. Decided once, by the kind of
//! file system, when a storage is opened: a page cache answers faster than a pool can be woken, a
//! network file system may take seconds. What goes to a pool is bounded, for the storage and for
//! the device, so that a disk that hangs cannot take all threads; many that hang together take none
//! that disks of this machine need.

use std::sync::{Arc, LazyLock};

use ferryd_domain::Fault;
use ferryd_runtime::SharedValues;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::threads::REMOTE;

/// Calls of one storage on the pool at once.
const CALLS_PER_STORAGE: usize = 16;
/// Calls of all storages of one device on the pool at once.
const CALLS_PER_DEVICE: usize = 64;

/// How reads are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// On the thread.
    Inline,
    /// On the thread when the page cache has the bytes, else on the pool.
    WhenCached,
    /// On the pool.
    Pool,
}

/// What may be done on the thread of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ways {
    asks_inline: bool,
    writes_inline: bool,
    reads: Reads,
}

/// The way to the disk of one storage.
#[derive(Debug)]
pub(super) struct IoPolicy {
    ways: Ways,
    storage: Arc<Semaphore>,
    device: Arc<Semaphore>,
}

impl IoPolicy {
    /// Returns the policy for a file system by its magic number (`statfs(2)`) and its device.
    pub(super) fn of(magic: u64, device: u64) -> Self {
        Self {
            ways: ways(magic),
            storage: Arc::new(Semaphore::new(CALLS_PER_STORAGE)),
            device: calls_of_device(device),
        }
    }

    /// Tells whether names and attributes are asked for on the thread.
    pub(super) fn asks_inline(&self) -> bool {
        self.ways.asks_inline
    }

    /// Tells whether data is written on the thread.
    pub(super) fn writes_inline(&self) -> bool {
        self.ways.writes_inline
    }

    /// Tells whether freeing or flushing the blocks of a large file is better done on the pool,
    /// although names are asked for on the thread: on a disk it takes up to seconds.
    pub(super) fn frees_slowly(&self) -> bool {
        self.ways.asks_inline && !self.ways.writes_inline
    }

    /// Tells how data is read.
    pub(super) fn reads(&self) -> Reads {
        self.ways.reads
    }

    /// Tells whether both lead to one device.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.device, &other.device)
    }

    /// Runs blocking work on the pool. A caller that goes away does not free the permit: the work
    /// keeps it until it is done.
    ///
    /// # Errors
    /// Those of the work, `Internal` when the runtime ends.
    pub(super) async fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let own = permit_of(&self.storage).await?;
        let shared = permit_of(&self.device).await?;
        let work = move || {
            let _places = (own, shared);
            work()
        };
        let run = match self.ways.asks_inline {
            true => tokio::task::spawn_blocking(work),
            false => REMOTE.run(work),
        };
        run.await.map_err(|error| Fault::internal("disk call").because(error))?
    }
}

/// Waits for a permit.
pub(super) async fn permit_of(calls: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Fault> {
    Arc::clone(calls)
        .acquire_owned()
        .await
        .map_err(|error| Fault::internal("disk queue").because(error))
}

/// Returns the bound shared by all storages of a device.
fn calls_of_device(device: u64) -> Arc<Semaphore> {
    static DEVICES: LazyLock<SharedValues<u64, Semaphore>> = LazyLock::new(SharedValues::default);
    DEVICES.get(&device, || Semaphore::new(CALLS_PER_DEVICE))
}

/// Magic numbers of `linux/magic.h` and of file systems outside of the kernel.
fn ways(magic: u64) -> Ways {
    match magic & 0xffff_ffff {
        // tmpfs, ramfs
        0x0102_1994 | 0x8584_58f6 => {
            Ways { asks_inline: true, writes_inline: true, reads: Reads::Inline }
        }
        // ext2..4, XFS, btrfs, overlayfs, ZFS, F2FS, bcachefs
        0xef53 | 0x5846_5342 | 0x9123_683e | 0x794c_7630 | 0x2fc1_2fc1 | 0xf2f5_2010
        | 0xca45_1a4e => Ways { asks_inline: true, writes_inline: false, reads: Reads::WhenCached },
        _ => Ways { asks_inline: false, writes_inline: false, reads: Reads::Pool },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_that_is_not_known_is_never_asked_on_the_thread() {
        let fuse = IoPolicy::of(0x6573_5546, 1);
        assert!(!fuse.asks_inline() && !fuse.writes_inline());
        assert_eq!(fuse.reads(), Reads::Pool);
        assert_eq!(IoPolicy::of(0x0102_1994, 2).reads(), Reads::Inline);
        assert!(IoPolicy::of(0xef53, 3).asks_inline());
    }

    #[test]
    fn storages_of_one_device_share_its_bound() {
        let (one, two, other) = (IoPolicy::of(0, 77), IoPolicy::of(0, 77), IoPolicy::of(0, 78));
        assert!(one.is_beside(&two));
        assert!(!one.is_beside(&other));
    }
}
