//! What a session may see of files without the right to list them: the size of what it has open,
//! and of what it has written. Clients compare sizes after an upload (Paramiko's `put`, for example)
//! and would call one a failure that is stored.

use std::collections::VecDeque;

use ferryd_domain::{Operation, VirtualPath};
use ferryd_storage::{FileId, Links, Metadata, ResolvedPath, WriteHandle};
use parking_lot::Mutex;

use super::UserFiles;

/// Files that a session is known to have written.
const MOST_WRITTEN: usize = 64;

/// What a client may see of an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Visible {
    /// All attributes.
    All(Metadata),
    /// The size in bytes alone.
    Size(u64),
}

impl Visible {
    /// Returns the size in bytes.
    pub fn size(self) -> u64 {
        match self {
            Self::All(metadata) => metadata.size,
            Self::Size(size) => size,
        }
    }
}

/// The last files that a session has written where it may not list.
#[derive(Debug, Default)]
pub(super) struct Written(Mutex<VecDeque<(VirtualPath, FileId)>>);

impl Written {
    fn note(&self, path: &VirtualPath, file_id: FileId) {
        let mut files = self.0.lock();
        files.retain(|(known, _)| known != path);
        if files.len() >= MOST_WRITTEN {
            files.pop_front();
        }
        files.push_back((path.clone(), file_id));
    }

    fn file_id(&self, path: &VirtualPath) -> Option<FileId> {
        let files = self.0.lock();
        files.iter().find(|(known, _)| known == path).map(|(_, file_id)| *file_id)
    }
}

impl UserFiles {
    /// Returns what is visible of an entry that is open.
    pub(super) fn visible(&self, path: &VirtualPath, metadata: Metadata) -> Visible {
        match self.permit(Operation::Stat, path) {
            Ok(_) => Visible::All(metadata),
            Err(_) => Visible::Size(metadata.size),
        }
    }

    /// Notes a file that an upload has put in place, where its session may not list.
    pub(super) async fn note_written(
        &self,
        path: &VirtualPath,
        resolved: &dyn ResolvedPath,
        handle: &dyn WriteHandle,
    ) {
        let listed = self.permit(Operation::Stat, path).is_ok()
            && self.permit_at(Operation::Stat, path, resolved).is_ok();
        if !listed && let Ok(metadata) = handle.stat().await {
            self.shared.written.note(path, metadata.file_id);
        }
    }

    /// Returns the size of a file that this session has written and that is still the same file. The
    /// permit to write it is what lets it be found.
    pub(super) async fn size_of_written(&self, path: &VirtualPath, links: Links) -> Option<u64> {
        let file_id = self.shared.written.file_id(path)?;
        let resolved = self.shared.storage.resolve(path, links).await.ok()?;
        let metadata = resolved.stat().await.ok()?;
        (metadata.is_file() && metadata.file_id == file_id).then_some(metadata.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_files_are_known() {
        let written = Written::default();
        let path = |number: usize| VirtualPath::root().child(number.to_string().as_bytes());
        for number in 0..=MOST_WRITTEN as u64 {
            let file_id = FileId { device: 1, inode: number };
            written.note(&path(usize::try_from(number).unwrap()), file_id);
        }
        assert_eq!(written.file_id(&path(0)), None);
        assert_eq!(written.file_id(&path(1)).map(|file_id| file_id.inode), Some(1));
        written.note(&path(1), FileId { device: 1, inode: 99 });
        assert_eq!(written.file_id(&path(1)).map(|file_id| file_id.inode), Some(99));
        assert_eq!(written.0.lock().len(), MOST_WRITTEN);
    }
}
