//! Names of temporary upload files: `.sftpgo-upload.<20 characters 0-9a-v>.<name>`. Tools and
//! exclusion lists of installations know this form. An upload that runs holds a lock on its file,
//! so that nodes which share a disk leave one another's uploads alone.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::stat::CAREFUL;

const PREFIX: &[u8] = b".sftpgo-upload.";
const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
const RANDOM: usize = 20;
/// Longest name of a file on Linux.
const NAME_MAX: usize = 255;

/// Returns a fresh temporary name for a file. When all is too long the name loses its beginning: by
/// its end extension filters know it.
pub(super) fn temporary_name(name: &[u8]) -> Vec<u8> {
    let mut temporary = PREFIX.to_vec();
    let random: [u8; RANDOM] = rand::random();
    temporary.extend(random.iter().filter_map(|byte| ALPHABET.get(usize::from(byte & 31))));
    temporary.push(b'.');
    let start = (temporary.len() + name.len()).saturating_sub(NAME_MAX);
    temporary.extend_from_slice(name.get(start..).unwrap_or_default());
    temporary
}

/// Tells whether a name has the form of a temporary file.
pub(super) fn is_temporary(name: &[u8]) -> bool {
    let Some((random, rest)) =
        name.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(RANDOM))
    else {
        return false;
    };
    random.iter().all(|byte| ALPHABET.contains(byte)) && rest.len() > 1 && rest.starts_with(b".")
}

/// Marks a temporary file as one of an upload that runs, until it is closed; a crash closes it.
pub(super) fn mark_in_use(file: &OwnedFd) {
    // A file system without locks has the time of the last change alone.
    if let Err(error) = rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        tracing::debug!(%error, "an upload file could not be locked");
    }
}

/// Tells whether an upload that runs has marked a file.
pub(super) fn is_in_use(directory: BorrowedFd<'_>, name: &[u8]) -> bool {
    // NFS locks only what is open for writing.
    let file = match rustix::fs::openat(directory, name, OFlags::RDWR | CAREFUL, Mode::empty()) {
        Ok(file) => file,
        // A client may have chosen a mode that lets nobody look: better left than taken away.
        Err(errno) => return errno == Errno::ACCESS,
    };
    let locked = rustix::fs::flock(file.as_fd(), FlockOperation::NonBlockingLockExclusive);
    matches!(locked, Err(Errno::WOULDBLOCK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temporary_names_are_recognized_and_fit_a_directory() {
        for name in [b"a".to_vec(), vec![b'x'; 255], [vec![b'x'; 254], vec![b'y']].concat()] {
            let temporary = temporary_name(&name);
            assert!(is_temporary(&temporary) && temporary.len() <= 255);
            assert_eq!(temporary.last(), name.last());
            assert_ne!(temporary, temporary_name(&name));
        }
        for other in ["a", ".sftpgo-upload.", ".sftpgo-upload.0123456789abcdefghiw.x"] {
            assert!(!is_temporary(other.as_bytes()), "{other}");
        }
        assert!(!is_temporary(b".sftpgo-upload.0123456789abcdefghij."));
    }
}
