//! Whose counters a crash would put in doubt, in a file that survives it, a loss of power included.
//! One task writes it: all who wait for a name share one flush to the disk, and a name stays for a
//! while, so that an account that is used costs one flush and not one per transfer. A file that
//! cannot be written is a warning, and is tried again: until then only what is known in memory is
//! recovered.

mod file;

use std::collections::HashMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::Username;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use file::JournalFile;

/// How long a name stays after the last change. By then the system has written the counters to the
/// disk by itself; the store does not flush each transaction.
const LINGER: Duration = Duration::from_secs(60);
/// Pause after a file could not be written.
const RETRY_DELAY: Duration = Duration::from_secs(30);
/// Lines beyond the names it holds after which the file is written anew.
const SLACK: usize = 1024;
/// The last write when nothing is kept: nobody waits for one.
const NOTHING_KEPT: u64 = u64::MAX;

/// A journal and the task that writes it.
#[derive(Debug)]
pub(super) struct KeptJournal {
    journal: Arc<Journal>,
    writer: JoinHandle<()>,
}

impl KeptJournal {
    /// Starts to keep a file, which may be missing, and returns the names that it holds; must be
    /// called within a runtime.
    pub(super) fn start(path: &Path) -> (Self, Vec<Username>) {
        let (journal, found) = Journal::open(path);
        let journal = Arc::new(journal);
        let writer = tokio::spawn(Arc::clone(&journal).keep_written());
        (Self { journal, writer }, found)
    }
}

impl Deref for KeptJournal {
    type Target = Journal;

    fn deref(&self) -> &Journal {
        &self.journal
    }
}

impl Drop for KeptJournal {
    fn drop(&mut self) {
        self.writer.abort();
    }
}

/// The names, and what of them is in the file.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    state: Mutex<State>,
    /// `None` when it is broken. Held while it is written.
    file: tokio::sync::Mutex<Option<JournalFile>>,
    /// The last write that is on the disk.
    stored: watch::Sender<u64>,
    some: Notify,
}

#[derive(Debug, Default)]
struct State {
    names: HashMap<Username, Mark>,
    /// Lines that wait to be written.
    text: String,
    /// The write that will take them.
    next: u64,
    lines: usize,
    health: Health,
}

/// Whether the file can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    /// The last write went well.
    #[default]
    Good,
    /// It did not: what is in the file is not known.
    Broken,
}

#[derive(Debug)]
struct Mark {
    /// The write that has put it into the file, or will.
    write: u64,
    needed: Instant,
}

impl Journal {
    /// Opens a file, which may be missing, and returns the names that it holds.
    fn open(path: &Path) -> (Self, Vec<Username>) {
        let found: Vec<_> = file::read(path).into_iter().collect();
        let mark = || Mark { write: 0, needed: Instant::now() };
        let names = found.iter().map(|name| (name.clone(), mark())).collect();
        let text = found.iter().map(|name| file::line('+', name)).collect::<String>();
        let opened = JournalFile::write_anew(path, &text).inspect_err(|error| warn(path, error));
        let health = opened.as_ref().map_or(Health::Broken, |_| Health::Good);
        let state = State { names, next: 1, lines: found.len(), health, text: String::new() };
        let journal = Self {
            path: path.to_owned(),
            state: Mutex::new(state),
            stored: watch::Sender::new(opened.as_ref().map_or(NOTHING_KEPT, |_| 0)),
            file: tokio::sync::Mutex::new(opened.ok()),
            some: Notify::new(),
        };
        (journal, found)
    }

    /// Adds a name, or notes that it is needed still. It will be in the file soon.
    pub(super) fn add(&self, name: &Username) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if let Some(mark) = state.names.get_mut(name) {
            mark.needed = now;
            return;
        }
        let mark = Mark { write: state.next, needed: now };
        state.names.insert(name.clone(), mark);
        state.push('+', name);
        self.some.notify_one();
    }

    /// Waits until a name that was added is on the disk.
    pub(super) async fn stored(&self, name: &Username) {
        let Some(write) = self.state.lock().names.get(name).map(|mark| mark.write) else { return };
        if *self.stored.borrow() < write {
            let _ = self.stored.subscribe().wait_for(|stored| *stored >= write).await;
        }
    }

    /// Removes the names that have not been needed for a while.
    pub(super) fn retain(&self, keep: impl Fn(&Username) -> bool) {
        self.retain_after(LINGER, keep);
    }

    /// Leaves the names that a crash would put in doubt even now, and writes.
    pub(super) async fn close(&self, keep: impl Fn(&Username) -> bool) {
        self.retain_after(Duration::ZERO, keep);
        self.write().await;
    }

    fn retain_after(&self, linger: Duration, keep: impl Fn(&Username) -> bool) {
        let now = Instant::now();
        let mut state = self.state.lock();
        let mut gone = Vec::new();
        for (name, mark) in &mut state.names {
            if now.saturating_duration_since(mark.needed) < linger {
                continue;
            }
            match keep(name) {
                true => mark.needed = now,
                false => gone.push(name.clone()),
            }
        }
        for name in &gone {
            state.names.remove(name);
            state.push('-', name);
        }
        // Nobody waits for these lines; they go with the next ones, or now when there are many.
        if state.lines > 2 * state.names.len() + SLACK {
            self.some.notify_one();
        }
    }

    /// Writes whenever there is something, until the task is dropped.
    async fn keep_written(self: Arc<Self>) {
        loop {
            let health = self.state.lock().health;
            match health {
                Health::Good => self.some.notified().await,
                Health::Broken => tokio::time::sleep(RETRY_DELAY).await,
            }
            self.write().await;
        }
    }

    async fn write(&self) {
        let mut file = self.file.lock().await;
        let Some(batch) = self.state.lock().take_batch() else { return };
        let (number, path, opened) = (batch.number, self.path.clone(), file.take());
        let written = tokio::task::spawn_blocking(move || match (batch.extent, opened) {
            (Extent::Lines, Some(opened)) => opened.append(&batch.text),
            (Extent::Lines | Extent::Whole, _) => JournalFile::write_anew(&path, &batch.text),
        });
        match written.await.unwrap_or_else(|error| Err(error.into())) {
            Ok(opened) => {
                *file = Some(opened);
                self.stored.send_replace(number);
            }
            Err(error) => self.break_with(&error),
        }
    }

    /// Lets nobody wait for a file that cannot be written.
    fn break_with(&self, error: &std::io::Error) {
        if self.stored.send_replace(NOTHING_KEPT) != NOTHING_KEPT {
            warn(&self.path, error);
        }
        let mut state = self.state.lock();
        state.health = Health::Broken;
        state.text.clear();
    }

    /// Returns how often something was written.
    #[cfg(test)]
    pub(super) fn writes(&self) -> u64 {
        *self.stored.borrow()
    }
}

/// What is written at once.
struct Batch {
    number: u64,
    text: String,
    extent: Extent,
}

/// How much of the file a write replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// It adds lines.
    Lines,
    /// Everything.
    Whole,
}

impl State {
    /// A broken file is written as a whole, so there is no need for its lines.
    fn push(&mut self, sign: char, name: &Username) {
        if self.health == Health::Good {
            self.text.push_str(&file::line(sign, name));
            self.lines += 1;
        }
    }

    /// Takes what is to be written; of a broken file it is hoped that it can be.
    fn take_batch(&mut self) -> Option<Batch> {
        let health = std::mem::take(&mut self.health);
        if self.text.is_empty() && health == Health::Good {
            return None;
        }
        let number = self.next;
        self.next += 1;
        let lines = std::mem::take(&mut self.text);
        if health == Health::Good && self.lines <= 2 * self.names.len() + SLACK {
            return Some(Batch { number, text: lines, extent: Extent::Lines });
        }
        self.lines = self.names.len();
        let text = self.names.keys().map(|name| file::line('+', name)).collect();
        Some(Batch { number, text, extent: Extent::Whole })
    }
}

fn warn(path: &Path, error: &std::io::Error) {
    tracing::warn!(
        sender = "quota", file = %path.display(), %error,
        "accounts to scan after a crash cannot be noted"
    );
}

#[cfg(test)]
mod tests;
