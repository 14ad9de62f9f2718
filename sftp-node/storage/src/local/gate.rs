//! Bounds the calls on directories whose file system is not known yet: opening a home, counting
//! what is below it. One that hangs takes a few threads of the pool, whatever the number of
//! clients that ask for it; neither it nor its neighbours, which are likely to share its disk,
//! take all.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use ferryd_domain::Fault;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::lane::place_in;

/// Logins that open directories. Each thread that serves connections has a pool of 512.
pub(crate) static OPENS: LazyLock<Arc<Gate>> =
    LazyLock::new(|| Gate::new(Most { directory: 4, siblings: 128, all: 256 }));
/// Scans and sweeps that walk them, which may take long on a file system that is well.
pub(crate) static WALKS: LazyLock<Arc<Gate>> =
    LazyLock::new(|| Gate::new(Most { directory: 2, siblings: 16, all: 64 }));

/// How many calls run at once.
#[derive(Clone, Copy, Debug)]
struct Most {
    /// On one directory.
    directory: usize,
    /// On all directories that have the same parent.
    siblings: usize,
    /// On all.
    all: usize,
}

/// What is bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Directory(PathBuf),
    Below(PathBuf),
}

/// Calls on the directories of a key, and who runs one or waits for it.
#[derive(Debug)]
struct Calls {
    places: Arc<Semaphore>,
    users: usize,
}

/// The bounds of one kind of call.
#[derive(Debug)]
pub(crate) struct Gate {
    most: Most,
    all: Arc<Semaphore>,
    /// Keys in use, so no more than callers.
    known: Mutex<HashMap<Key, Calls>>,
}

impl Gate {
    /// Returns a gate that nobody waits at.
    fn new(most: Most) -> Arc<Self> {
        let all = Arc::new(Semaphore::new(most.all));
        Arc::new(Self { most, all, known: Mutex::default() })
    }

    /// Runs blocking work on a directory on the pool. A caller that goes away does not free the
    /// place: the work keeps it until it is done.
    ///
    /// # Errors
    /// Those of the work, `Internal` when the runtime ends.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        directory: &Path,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let parent = directory.parent().unwrap_or(directory);
        let own = self.turn(Key::Directory(directory.to_owned()), self.most.directory).await?;
        let beside = self.turn(Key::Below(parent.to_owned()), self.most.siblings).await?;
        let shared = place_in(&self.all).await?;
        let run = tokio::task::spawn_blocking(move || {
            let _places = (own, beside, shared);
            work()
        });
        run.await.map_err(|error| Fault::internal("a call on a directory").because(error))?
    }

    async fn turn(self: &Arc<Self>, key: Key, most: usize) -> Result<Turn, Fault> {
        let (guest, places) = Guest::of(self, key, most);
        Ok(Turn { _place: place_in(&places).await?, _guest: guest })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Calls>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the calls of a key; its members are dropped in this order.
#[derive(Debug)]
struct Turn {
    _place: OwnedSemaphorePermit,
    _guest: Guest,
}

/// Keeps a key known.
#[derive(Debug)]
struct Guest {
    gate: Arc<Gate>,
    key: Key,
}

impl Guest {
    fn of(gate: &Arc<Gate>, key: Key, most: usize) -> (Self, Arc<Semaphore>) {
        let mut known = gate.known();
        let calls = known
            .entry(key.clone())
            .or_insert_with(|| Calls { places: Arc::new(Semaphore::new(most)), users: 0 });
        calls.users += 1;
        (Self { gate: Arc::clone(gate), key }, Arc::clone(&calls.places))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut known = self.gate.known();
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

    const MOST: Most = Most { directory: 2, siblings: 3, all: 4 };

    /// Starts calls that end when the sender goes; returns once the calls that may run do.
    async fn hang(
        gate: &Arc<Gate>,
        directories: &[&str],
        running: usize,
    ) -> (Vec<mpsc::Sender<()>>, Vec<tokio::task::JoinHandle<Result<(), Fault>>>) {
        let (begun, mut begins) = tokio::sync::mpsc::channel(16);
        let (mut ends, mut calls) = (Vec::new(), Vec::new());
        for directory in directories {
            let (end, ended) = mpsc::channel::<()>();
            let (gate, directory, begun) = (gate.clone(), PathBuf::from(directory), begun.clone());
            ends.push(end);
            calls.push(tokio::spawn(async move {
                let work = move || {
                    // Nobody counts those that begin when the first ones have ended.
                    let _ = begun.blocking_send(());
                    let _ = ended.recv();
                    Ok(())
                };
                gate.run(&directory, work).await
            }));
        }
        for _ in 0..running {
            begins.recv().await.unwrap();
        }
        (ends, calls)
    }

    async fn passes(gate: &Arc<Gate>, directory: &str) -> bool {
        let call = gate.run(Path::new(directory), || Ok(()));
        tokio::time::timeout(Duration::from_millis(50), call).await.is_ok()
    }

    #[tokio::test]
    async fn a_directory_that_hangs_leaves_places_for_others() {
        let gate = Gate::new(MOST);
        let (ends, calls) = hang(&gate, &["/homes/bob"; 9], 2).await;
        assert!(!passes(&gate, "/homes/bob").await);
        assert!(passes(&gate, "/homes/alice").await);
        assert!(passes(&gate, "/homes").await, "a parent is a directory of its own");
        let (more, others) = hang(&gate, &["/homes/alice"], 1).await;
        assert!(!passes(&gate, "/homes/carol").await, "its neighbours have a bound");
        assert!(passes(&gate, "/other/carol").await);
        drop((ends, more));
        for call in calls.into_iter().chain(others) {
            call.await.unwrap().unwrap();
        }
        assert!(gate.known().is_empty());
    }

    #[tokio::test]
    async fn callers_that_go_away_keep_the_place_of_what_runs() {
        let gate = Gate::new(MOST);
        let (ends, calls) = hang(&gate, &["/homes/bob"; 5], 2).await;
        for call in calls {
            call.abort();
            assert!(call.await.unwrap_err().is_cancelled());
        }
        assert!(!passes(&gate, "/homes/bob").await, "two of them hang");
        drop(ends);
        gate.run(Path::new("/homes/bob"), || Ok(())).await.unwrap();
        while !gate.known().is_empty() {
            tokio::task::yield_now().await;
        }
    }
}
