//! Bounds the calls on directories whose file system may hang: opening a home, counting what is
//! below it. One that hangs takes a few threads of the pool, whatever the number of clients that ask
//! for it, and neighbours on other file systems notice nothing. A call that has not come back for a
//! while is counted apart from those that are likely to come back at once.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ferryd_domain::Fault;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use super::io_policy::permit_of;
use super::mount_info::MOUNTED;
use super::threads::OPENING;

/// Logins that open directories. With the walks they are as many as [`OPENING`] has threads.
pub(crate) static OPENS: LazyLock<Arc<Bulkhead>> = LazyLock::new(|| {
    Bulkhead::new(Most { directory: 4, disk: 64, all: 160, slow: Some(SLOW_OPENS) })
});
const SLOW_OPENS: Slow = Slow { after: Duration::from_millis(250), disk: 32, all: 224 };
/// Scans and sweeps that walk them, which may take long on a file system that is well.
pub(crate) static WALKS: LazyLock<Arc<Bulkhead>> =
    LazyLock::new(|| Bulkhead::new(Most { directory: 2, disk: 16, all: 64, slow: None }));

/// How many calls run at once.
#[derive(Clone, Copy, Debug)]
struct Most {
    /// On one directory.
    directory: usize,
    /// On all directories of one file system.
    disk: usize,
    /// On all.
    all: usize,
    /// Those that do not come back do not count as long as they are no more than this.
    slow: Option<Slow>,
}

/// How many calls may be slow.
#[derive(Clone, Copy, Debug)]
struct Slow {
    /// From when on a call is one of them.
    after: Duration,
    /// On all directories of one file system.
    disk: usize,
    /// On all.
    all: usize,
}

/// What is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Directory(PathBuf),
    On(Disk),
    SlowOn(Disk),
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Disk {
    Device(u64),
    /// It is not known: neighbours are likely to share one.
    Below(PathBuf),
}

impl Disk {
    fn of(directory: &Path) -> Self {
        MOUNTED.of(directory).map_or_else(
            || Self::Below(directory.parent().unwrap_or(directory).to_owned()),
            Self::Device,
        )
    }
}

/// Calls on the directories of a key, and who runs one or waits for it.
#[derive(Debug)]
struct Calls {
    places: Arc<Semaphore>,
    users: usize,
}

/// The bounds of one kind of call.
#[derive(Debug)]
pub(crate) struct Bulkhead {
    most: Most,
    all: Arc<Semaphore>,
    all_slow: Arc<Semaphore>,
    /// Keys in use, so no more than callers.
    known: Mutex<HashMap<Key, Calls>>,
}

impl Bulkhead {
    /// Returns a bulkhead that no call has passed yet.
    fn new(most: Most) -> Arc<Self> {
        let all = Arc::new(Semaphore::new(most.all));
        let all_slow = Arc::new(Semaphore::new(most.slow.map_or(0, |slow| slow.all)));
        Arc::new(Self { most, all, all_slow, known: Mutex::default() })
    }

    /// Runs blocking work on a directory on the pool. A caller that goes away does not free its
    /// permit: the work keeps it until it is done.
    ///
    /// # Errors
    /// Those of the work, `Internal` when the runtime ends.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        directory: &Path,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_on(Disk::of(directory), directory, work).await
    }

    async fn run_on<T: Send + 'static>(
        self: &Arc<Self>,
        disk: Disk,
        directory: &Path,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let call = Call {
            own: self.turn(Key::Directory(directory.to_owned()), self.most.directory).await?,
            beside: self.turn(Key::On(disk.clone()), self.most.disk).await?,
            shared: permit_of(&self.all).await?,
            rest: None,
            disk,
        };
        let run = OPENING.run(work);
        let watched = tokio::spawn(call.watched(Arc::clone(self), run));
        watched.await.map_err(|error| Fault::internal("a call on a directory").because(error))?
    }

    async fn turn(self: &Arc<Self>, key: Key, most: usize) -> Result<Turn, Fault> {
        let (caller, places) = Caller::of(self, key, most);
        Ok(Turn { place: permit_of(&places).await?, _guest: caller })
    }

    fn turn_now(self: &Arc<Self>, key: Key, most: usize) -> Option<Turn> {
        let (caller, places) = Caller::of(self, key, most);
        Some(Turn { place: places.try_acquire_owned().ok()?, _guest: caller })
    }
}

/// The permits of a call that runs.
#[derive(Debug)]
struct Call {
    own: Turn,
    beside: Turn,
    shared: OwnedSemaphorePermit,
    /// Places of the directory that nobody gets for now.
    rest: Option<OwnedSemaphorePermit>,
    disk: Disk,
}

impl Call {
    /// Keeps the permits until the work is done.
    async fn watched<T>(
        mut self,
        bulkhead: Arc<Bulkhead>,
        mut run: JoinHandle<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let done = match bulkhead.most.slow {
            Some(slow) => match tokio::time::timeout(slow.after, &mut run).await {
                Ok(done) => done,
                Err(_) => {
                    self.is_slow(&bulkhead, slow);
                    run.await
                }
            },
            None => run.await,
        };
        done.map_err(|error| Fault::internal("a call on a directory").because(error))?
    }

    /// Lets calls on other directories pass; further ones on this directory would wait for the same thing.
    fn is_slow(&mut self, bulkhead: &Arc<Bulkhead>, slow: Slow) {
        let places = Arc::clone(self.own.place.semaphore());
        let rest = u32::try_from(places.available_permits()).unwrap_or(0);
        self.rest = places.try_acquire_many_owned(rest).ok();
        let beside = bulkhead.turn_now(Key::SlowOn(self.disk.clone()), slow.disk);
        let shared = Arc::clone(&bulkhead.all_slow).try_acquire_owned();
        if let (Some(beside), Ok(shared)) = (beside, shared) {
            self.beside = beside;
            self.shared = shared;
        }
    }
}

/// A permit among the calls of a key; its members are dropped in this order.
#[derive(Debug)]
struct Turn {
    place: OwnedSemaphorePermit,
    _guest: Caller,
}

/// Keeps a key known.
#[derive(Debug)]
struct Caller {
    bulkhead: Arc<Bulkhead>,
    key: Key,
}

impl Caller {
    fn of(bulkhead: &Arc<Bulkhead>, key: Key, most: usize) -> (Self, Arc<Semaphore>) {
        let mut known = bulkhead.known.lock();
        let calls = known
            .entry(key.clone())
            .or_insert_with(|| Calls { places: Arc::new(Semaphore::new(most)), users: 0 });
        calls.users += 1;
        (Self { bulkhead: Arc::clone(bulkhead), key }, Arc::clone(&calls.places))
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let mut known = self.bulkhead.known.lock();
        if let Some(calls) = known.get_mut(&self.key) {
            calls.users = calls.users.saturating_sub(1);
            if calls.users == 0 {
                known.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    const MOST: Most = Most { directory: 2, disk: 3, all: 4, slow: None };
    const SLOW: Slow = Slow { after: Duration::from_millis(10), disk: 2, all: 2 };

    /// As where nothing is known of mounts.
    fn disk(directory: &Path) -> Disk {
        Disk::Below(directory.parent().unwrap().to_owned())
    }

    /// Starts calls that end when the sender goes; returns once the calls that may run do.
    async fn hang(
        bulkhead: &Arc<Bulkhead>,
        directories: &[&str],
        running: usize,
    ) -> (Vec<mpsc::Sender<()>>, Vec<tokio::task::JoinHandle<Result<(), Fault>>>) {
        let (begun, mut begins) = tokio::sync::mpsc::channel(16);
        let (mut ends, mut calls) = (Vec::new(), Vec::new());
        for directory in directories {
            let (end, ended) = mpsc::channel::<()>();
            let (bulkhead, directory, begun) =
                (bulkhead.clone(), PathBuf::from(directory), begun.clone());
            ends.push(end);
            calls.push(tokio::spawn(async move {
                let work = move || {
                    // Nobody counts those that begin when the first ones have ended.
                    let _ = begun.blocking_send(());
                    let _ = ended.recv();
                    Ok(())
                };
                bulkhead.run_on(disk(&directory), &directory, work).await
            }));
        }
        for _ in 0..running {
            begins.recv().await.unwrap();
        }
        (ends, calls)
    }

    async fn passes(bulkhead: &Arc<Bulkhead>, directory: &str) -> bool {
        let directory = Path::new(directory);
        let call = bulkhead.run_on(disk(directory), directory, || Ok(()));
        tokio::time::timeout(Duration::from_millis(50), call).await.is_ok()
    }

    #[tokio::test]
    async fn a_directory_that_hangs_leaves_places_for_others() {
        let bulkhead = Bulkhead::new(MOST);
        let (ends, calls) = hang(&bulkhead, &["/homes/bob"; 9], 2).await;
        assert!(!passes(&bulkhead, "/homes/bob").await);
        assert!(passes(&bulkhead, "/homes/alice").await);
        assert!(passes(&bulkhead, "/homes").await, "a parent is a directory of its own");
        let (more, others) = hang(&bulkhead, &["/homes/alice"], 1).await;
        assert!(!passes(&bulkhead, "/homes/carol").await, "its neighbours have a bound");
        assert!(passes(&bulkhead, "/other/carol").await);
        drop((ends, more));
        for call in calls.into_iter().chain(others) {
            call.await.unwrap().unwrap();
        }
        assert!(bulkhead.known.lock().is_empty());
    }

    #[tokio::test]
    async fn callers_that_go_away_keep_the_place_of_what_runs() {
        let bulkhead = Bulkhead::new(MOST);
        let (ends, calls) = hang(&bulkhead, &["/homes/bob"; 5], 2).await;
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        assert!(!passes(&bulkhead, "/homes/bob").await, "two of them hang");
        drop(ends);
        let bob = Path::new("/homes/bob");
        bulkhead.run_on(disk(bob), bob, || Ok(())).await.unwrap();
        while !bulkhead.known.lock().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn calls_that_do_not_come_back_leave_their_places_to_others() {
        let bulkhead = Bulkhead::new(Most { slow: Some(SLOW), ..MOST });
        let (ends, calls) = hang(&bulkhead, &["/homes/a", "/homes/b", "/homes/c"], 3).await;
        while !passes(&bulkhead, "/homes/d").await {}
        assert!(!passes(&bulkhead, "/homes/a").await, "it would wait for the same thing");
        let (more, others) = hang(&bulkhead, &["/homes/e", "/homes/f"], 2).await;
        assert!(!passes(&bulkhead, "/homes/d").await, "slow ones have a bound as well");
        assert!(passes(&bulkhead, "/other/d").await);
        drop((ends, more));
        for call in calls.into_iter().chain(others) {
            call.await.unwrap().unwrap();
        }
        while !passes(&bulkhead, "/homes/a").await {}
        assert!(bulkhead.known.lock().is_empty());
    }

    #[tokio::test]
    async fn directories_of_one_device_share_its_bound() {
        let bulkhead = Bulkhead::new(MOST);
        let folder = tempfile::tempdir().unwrap();
        let on = |name: &str| Disk::of(&folder.path().join(name));
        assert_eq!(on("a"), on("b/c"));
        assert!(matches!(on("a"), Disk::Device(_)));
        assert_ne!(on("a"), Disk::of(Path::new("/proc/self")));
        bulkhead.run(folder.path(), || Ok(())).await.unwrap();
    }
}
