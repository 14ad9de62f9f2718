//! What files that are being written amount to in the counters of their account, so that sessions
//! that write, replace and remove the same file at once are counted once. One lock per account and
//! node spans the change of a name and its count; it is never held over a call of the control plane.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ferryd_control_plane::Certainty;
use ferryd_domain::Username;
use ferryd_runtime::SharedValues;
use ferryd_storage::{FileId, Metadata};
use tokio::sync::MutexGuard;

/// The tables of all accounts with a session.
#[derive(Debug, Default)]
pub(crate) struct OpenFileTables(SharedValues<Username, OpenFileTable>);

impl OpenFileTables {
    /// Returns the table that the sessions of an account share.
    pub fn of(&self, username: &Username) -> Arc<OpenFileTable> {
        self.0.get(username, OpenFileTable::default)
    }
}

/// Files of one account that are written in place.
#[derive(Debug, Default)]
pub(crate) struct OpenFileTable(tokio::sync::Mutex<OpenFiles>);

/// What a change of names did to the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct UsageDelta {
    pub size: i64,
    pub files: i64,
    pub certainty: Certainty,
}

impl UsageDelta {
    /// Returns both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            size: self.size.saturating_add(other.size),
            files: self.files.saturating_add(other.files),
            certainty: self.certainty.and(other.certainty),
        }
    }

    /// The same, of which it is not known whether it is all.
    pub fn doubted(self) -> Self {
        Self { certainty: Certainty::Doubtful, ..self }
    }

    /// A file of `links` names, each of which is counted with all bytes, now has other bytes.
    pub fn resized(old: u64, new: u64, links: u64) -> Self {
        let delta = Self { size: difference(old, new), ..Self::default() };
        if links > 1 && old != new { delta.doubted() } else { delta }
    }

    /// A file of this size that came.
    pub fn came(size: u64) -> Self {
        Self { size: difference(0, size), files: 1, ..Self::default() }
    }

    /// A file of this size that went.
    pub fn went(size: u64) -> Self {
        Self { size: difference(size, 0), files: -1, ..Self::default() }
    }
}

/// The files that are open, by what the disk calls them.
#[derive(Debug, Default)]
pub(super) struct OpenFiles(HashMap<FileId, OpenFile>);

#[derive(Debug)]
struct OpenFile {
    /// Bytes of it that are in the counters.
    counted: Arc<AtomicU64>,
    /// Whether the file itself is in them.
    file: bool,
    /// Whether its last name is gone: what is written then is stored nowhere.
    gone: bool,
    /// Whether it got another name meanwhile: of that one other bytes are in the counters.
    linked: bool,
    uploads: usize,
}

impl OpenFileTable {
    /// Waits for the turn to change names and counters.
    pub(super) async fn lock(&self) -> MutexGuard<'_, OpenFiles> {
        self.0.lock().await
    }
}

impl OpenFiles {
    /// Notes an upload that writes in place; `replaced` is the size before it, `None` for a new
    /// file. Returns the bytes that are in the counters, now and later.
    pub fn start(&mut self, file_id: FileId, replaced: Option<u64>) -> Arc<AtomicU64> {
        let open_file = self.0.entry(file_id).or_insert_with(|| OpenFile {
            counted: Arc::new(AtomicU64::new(replaced.unwrap_or(0))),
            file: replaced.is_some(),
            gone: false,
            linked: false,
            uploads: 0,
        });
        open_file.uploads += 1;
        Arc::clone(&open_file.counted)
    }

    /// Notes the size of a file; returns what that changes, `None` for one that nobody writes.
    pub fn measure(&mut self, metadata: &Metadata) -> Option<UsageDelta> {
        let open_file = self.0.get_mut(&metadata.file_id)?;
        if open_file.gone {
            return Some(UsageDelta::default());
        }
        let files = i64::from(!std::mem::replace(&mut open_file.file, true));
        let counted = open_file.counted.swap(metadata.size, Ordering::AcqRel);
        let delta =
            UsageDelta { files, ..UsageDelta::resized(counted, metadata.size, metadata.links) };
        // Removed, but not here: another node did it and knew nothing of the upload.
        let unknown = metadata.links == 0 || open_file.linked;
        Some(if unknown { delta.doubted() } else { delta })
    }

    /// Notes that a file got another name; returns what that changes.
    pub fn link(&mut self, metadata: &Metadata) -> UsageDelta {
        let came = UsageDelta::came(metadata.size);
        let Some(open_file) = self.0.get_mut(&metadata.file_id) else { return came };
        open_file.linked = true;
        came.doubted()
    }

    /// Notes the end of an upload.
    pub fn end(&mut self, file_id: FileId) {
        let Some(open_file) = self.0.get_mut(&file_id) else { return };
        open_file.uploads = open_file.uploads.saturating_sub(1);
        if open_file.uploads == 0 {
            self.0.remove(&file_id);
        }
    }

    /// Notes that a name of a file was removed or replaced; returns what that changes.
    pub fn remove(&mut self, metadata: &Metadata) -> UsageDelta {
        if !metadata.is_file() {
            return UsageDelta::default();
        }
        match self.0.get_mut(&metadata.file_id) {
            Some(open_file) if metadata.links <= 1 => {
                open_file.gone = true;
                let size = open_file.counted.swap(0, Ordering::AcqRel);
                let files = -i64::from(std::mem::replace(&mut open_file.file, false));
                UsageDelta { size: difference(size, 0), files, ..UsageDelta::default() }
            }
            // Its other name goes on growing, and what was counted of this one is not known.
            Some(_) => UsageDelta::went(metadata.size).doubted(),
            None => UsageDelta::went(metadata.size),
        }
    }
}

/// Returns `new - old` as a signed number.
fn difference(old: u64, new: u64) -> i64 {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    signed(new).saturating_sub(signed(old))
}

#[cfg(test)]
mod tests {
    use ferryd_storage::FileKind;

    use super::*;

    fn metadata(size: u64) -> Metadata {
        Metadata {
            kind: FileKind::File,
            size,
            mode: 0o100_644,
            uid: 0,
            gid: 0,
            links: 1,
            accessed: 0,
            modified: 0,
            file_id: FileId { device: 1, inode: 7 },
        }
    }

    const FILE: FileId = FileId { device: 1, inode: 7 };

    #[test]
    fn two_uploads_into_one_file_count_it_once() {
        let mut open = OpenFiles::default();
        open.start(FILE, None);
        let counted = open.start(FILE, Some(100));
        assert_eq!(
            open.measure(&metadata(50)),
            Some(UsageDelta { size: 50, files: 1, ..UsageDelta::default() })
        );
        open.end(FILE);
        assert_eq!(counted.load(Ordering::Acquire), 50);
        assert_eq!(
            open.measure(&metadata(80)),
            Some(UsageDelta { size: 30, files: 0, ..UsageDelta::default() })
        );
        open.end(FILE);
        assert_eq!(open.measure(&metadata(80)), None);
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_written_counts_nothing() {
        let mut open = OpenFiles::default();
        open.start(FILE, Some(100));
        assert_eq!(
            open.remove(&metadata(40)),
            UsageDelta { size: -100, files: -1, ..UsageDelta::default() }
        );
        assert_eq!(open.measure(&metadata(500)), Some(UsageDelta::default()));
        open.end(FILE);
        open.start(FILE, None);
        assert_eq!(open.remove(&metadata(40)), UsageDelta::default(), "it was never counted");
    }

    #[test]
    fn a_file_of_two_names_that_is_written_is_in_doubt() {
        let linked = |size| Metadata { links: 2, ..metadata(size) };
        let mut open = OpenFiles::default();
        open.start(FILE, Some(100));
        assert_eq!(open.remove(&linked(40)), UsageDelta::went(40).doubted());
        assert_eq!(open.measure(&linked(100)), Some(UsageDelta::default()), "nothing has changed");
        let grown = open.measure(&linked(130)).unwrap();
        assert_eq!((grown.size, grown.certainty), (30, Certainty::Doubtful));
        assert_eq!(OpenFiles::default().remove(&linked(40)), UsageDelta::went(40));
    }

    #[test]
    fn a_file_that_gets_a_name_while_it_is_written_is_in_doubt() {
        let mut open = OpenFiles::default();
        assert_eq!(open.link(&metadata(40)), UsageDelta::came(40));
        open.start(FILE, None);
        assert_eq!(open.link(&metadata(40)), UsageDelta::came(40).doubted());
        let cut = open.measure(&Metadata { links: 2, ..metadata(0) }).unwrap();
        assert_eq!((cut.size, cut.certainty), (0, Certainty::Doubtful), "40 are still counted");
    }

    #[test]
    fn a_file_that_nobody_writes_goes_with_its_bytes() {
        assert_eq!(
            OpenFiles::default().remove(&metadata(40)),
            UsageDelta { size: -40, files: -1, ..UsageDelta::default() }
        );
    }

    #[test]
    fn sessions_of_an_account_share_their_tally() {
        let open_files = OpenFileTables::default();
        let bob = Username::stored("bob");
        let first = open_files.of(&bob);
        assert!(Arc::ptr_eq(&first, &open_files.of(&bob)));
        assert!(!Arc::ptr_eq(&first, &open_files.of(&Username::stored("Bob"))));
    }
}
