//! Removes temporary upload files that a crash left behind: once per run of the node in every
//! directory of the accounts that log in or that the control plane names. One directory at a
//! time, beside the service; a login never waits for it.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use ferryd_domain::{Account, FaultKind, StorageProvider};
use ferryd_storage::local::leftovers;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Directories that may wait. One that finds the queue full waits for the next login.
const QUEUE: usize = 8192;
/// A file system that hangs does not keep all others from being looked at.
const PATIENCE: Duration = Duration::from_secs(600);

/// The directories that were or will be looked at.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Hashes: there may be a million of them.
    seen: Mutex<HashSet<u64>>,
    hasher: RandomState,
    queue: mpsc::Sender<PathBuf>,
    stopped: CancellationToken,
}

impl Sweep {
    /// Starts on the current runtime, before the node serves anybody.
    pub fn start() -> Self {
        let (queue, directories) = mpsc::channel(QUEUE);
        let stopped = CancellationToken::new();
        tokio::spawn(work(directories, SystemTime::now(), stopped.clone()));
        Self { seen: Mutex::default(), hasher: RandomState::new(), queue, stopped }
    }

    /// Notes the directories of an account; never waits.
    pub fn visit(&self, account: &Account) {
        match account.filesystem.provider {
            StorageProvider::Local => {}
            StorageProvider::S3 | StorageProvider::Gcs => return,
        }
        let mapped = account.virtual_folders.iter().map(|folder| folder.mapped_path.as_str());
        for directory in std::iter::once(account.home_dir.as_str()).chain(mapped) {
            self.note(directory);
        }
    }

    /// Ends the work, also in the middle of a directory.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    fn note(&self, directory: &str) {
        let hash = self.hasher.hash_one(directory);
        let is_new = self.seen.lock().insert(hash);
        if is_new && self.queue.try_send(PathBuf::from(directory)).is_err() {
            self.seen.lock().remove(&hash);
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn work(
    mut directories: mpsc::Receiver<PathBuf>,
    started: SystemTime,
    stopped: CancellationToken,
) {
    while let Some(Some(directory)) = stopped.run_until_cancelled(directories.recv()).await {
        look_at(directory, started, &stopped).await;
    }
}

async fn look_at(directory: PathBuf, started: SystemTime, stopped: &CancellationToken) {
    let goes_on = stopped.clone();
    let sweep = leftovers::sweep(directory, started, move || !goes_on.is_cancelled());
    match tokio::time::timeout(PATIENCE, sweep).await {
        Ok(Ok(0)) => {}
        Ok(Ok(removed)) => {
            tracing::info!(sender = "sftpd", removed, "leftover upload files were removed");
        }
        // A home that nobody has used yet.
        Ok(Err(fault)) if fault.kind() == FaultKind::NotFound => {}
        Ok(Err(fault)) => {
            tracing::warn!(sender = "sftpd", error = %fault, "leftover upload files were not looked for");
        }
        Err(_) => {
            tracing::warn!(sender = "sftpd", "looking for leftover upload files takes too long");
        }
    }
}

#[cfg(test)]
mod tests;
