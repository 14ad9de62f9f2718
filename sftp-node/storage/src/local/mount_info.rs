//! Which file system a directory is on, found out without asking that file system: from the list of
//! mounts, and for those that links lead elsewhere from how it was when they were opened last.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::hash::{BuildHasher, RandomState};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{CWD, Mode, OFlags};

/// The list of mounts is not read more often.
const FRESH: Duration = Duration::from_secs(1);
/// How old the list may be where the kernel does not say that it has changed.
const OLDEST: Duration = Duration::from_secs(60);
/// Directories behind links that are remembered.
const MOST_ELSEWHERE: usize = 65_536;

/// The file systems of this machine.
pub(super) static MOUNTED: LazyLock<MountInfo> = LazyLock::new(MountInfo::default);

/// What is known of mounts and directories.
#[derive(Debug, Default)]
pub(super) struct MountInfo {
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct State {
    mounts: Mounts,
    /// The list of mounts, once it could be opened.
    list: Option<OwnedFd>,
    read: Option<Instant>,
    /// Whether mounts have changed since.
    stale: bool,
    /// By hash of the directory: what the mounts said and what was found there.
    elsewhere: HashMap<u64, (u64, u64)>,
    /// Devices that were found to answer at once. Numbers are given anew, so only until mounts change.
    at_once: HashSet<u64>,
}

impl MountInfo {
    /// Returns the device that a directory is likely to be on; `None` where that is not known.
    pub(super) fn of(&self, directory: &Path) -> Option<u64> {
        let mut state = self.state.lock();
        state.refresh();
        self.known(&state, directory)
    }

    /// Returns the device that a directory is likely to be on if that device answers at once.
    pub(super) fn at_once(&self, directory: &Path) -> Option<u64> {
        let mut state = self.state.lock();
        state.refresh();
        self.known(&state, directory).filter(|device| state.at_once.contains(device))
    }

    /// Remembers on which device a directory was found, and whether that device answers at once.
    pub(super) fn learn(&self, directory: &Path, found: u64, at_once: bool) {
        let mut state = self.state.lock();
        state.refresh();
        if at_once {
            state.at_once.insert(found);
        }
        let key = self.hasher.hash_one(directory);
        let Some(mount) = state.mounts.device_of(directory) else { return };
        if mount == found {
            state.elsewhere.remove(&key);
            return;
        }
        if state.elsewhere.len() >= MOST_ELSEWHERE {
            state.elsewhere.clear();
        }
        state.elsewhere.insert(key, (mount, found));
    }

    fn known(&self, state: &State, directory: &Path) -> Option<u64> {
        let mount = state.mounts.device_of(directory)?;
        match state.elsewhere.get(&self.hasher.hash_one(directory)) {
            Some((before, found)) if *before == mount => Some(*found),
            Some(_) | None => Some(mount),
        }
    }
}

impl State {
    /// The kernel answers from memory, also while file systems hang. Without an answer the list
    /// stays as it was.
    fn refresh(&mut self) {
        if self.list.as_ref().is_none_or(changed) {
            self.stale = true;
            self.at_once.clear();
        }
        let limit = if self.stale { FRESH } else { OLDEST };
        if self.read.is_none_or(|read| read.elapsed() >= limit) {
            self.read = Some(Instant::now());
            match self.read_list() {
                Ok(text) => {
                    self.mounts = Mounts::parse(&text);
                    self.stale = false;
                }
                Err(error) => tracing::debug!(sender = "storage", %error, "no list of mounts"),
            }
        }
    }

    fn read_list(&mut self) -> rustix::io::Result<Vec<u8>> {
        let list = match self.list.take() {
            Some(list) => list,
            None => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC;
                rustix::fs::openat(CWD, c"/proc/self/mountinfo", flags, Mode::empty())?
            }
        };
        let text = whole(&list)?;
        self.list = Some(list);
        Ok(text)
    }
}

/// Tells whether mounts have changed since this was asked last (proc(5), `/proc/PID/mounts`). What
/// cannot be asked may have changed.
fn changed(list: &OwnedFd) -> bool {
    let mut list = [PollFd::new(list, PollFlags::PRI)];
    rustix::event::poll(&mut list, Some(&Timespec::default())) != Ok(0)
}

fn whole(list: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    loop {
        text.reserve(16 << 10);
        let at = text.len() as u64;
        if rustix::io::pread(list, rustix::buffer::spare_capacity(&mut text), at)? == 0 {
            return Ok(text);
        }
    }
}

/// Devices by mount point.
#[derive(Debug, Default)]
struct Mounts(HashMap<PathBuf, u64>);

impl Mounts {
    /// Reads the form of `/proc/PID/mountinfo` (proc(5)): of mounts on one point the last counts.
    fn parse(text: &[u8]) -> Self {
        Self(text.split(|byte| *byte == b'\n').filter_map(mount).collect())
    }

    fn device_of(&self, directory: &Path) -> Option<u64> {
        directory.ancestors().find_map(|directory| self.0.get(directory)).copied()
    }
}

/// Reads a line: id, parent, major:minor, root, mount point and what does not matter here.
fn mount(line: &[u8]) -> Option<(PathBuf, u64)> {
    let mut fields = line.split(|byte| *byte == b' ').skip(2);
    let device = std::str::from_utf8(fields.next()?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
    let point = unescaped(fields.nth(1)?);
    Some((PathBuf::from(OsStr::from_bytes(&point)), device))
}

/// Space, tab, line feed and backslash are written as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                ((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'), after)
            }
            (first, after) => (*first, after),
        };
        text.push(byte);
        rest = after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "27 1 254:0 / / rw - ext4 /dev/vda rw\n\
        30 27 0:40 / /srv/with\\040space rw shared:5 - fuse.sshfs host: rw\n\
        31 27 0:41 / /srv/twice rw - nfs4 host:/a rw\n\
        32 31 0:42 / /srv/twice rw - nfs4 host:/b rw\n\
        broken\n";

    fn disks() -> MountInfo {
        let state = State {
            mounts: Mounts::parse(MOUNTS.as_bytes()),
            read: Some(Instant::now() + Duration::from_secs(3600)),
            ..State::default()
        };
        MountInfo { state: Mutex::new(state), hasher: RandomState::new() }
    }

    fn device(major: u32, minor: u32) -> Option<u64> {
        Some(rustix::fs::makedev(major, minor))
    }

    #[test]
    fn the_nearest_mount_above_a_directory_counts() {
        let disks = disks();
        assert_eq!(disks.of(Path::new("/srv/bob")), device(254, 0));
        assert_eq!(disks.of(Path::new("/srv/with space")), device(0, 40));
        assert_eq!(disks.of(Path::new("/srv/with space/bob/")), device(0, 40));
        assert_eq!(disks.of(Path::new("/srv/with spaces/bob")), device(254, 0));
        assert_eq!(disks.of(Path::new("/srv/twice/bob")), device(0, 42));
        assert_eq!(disks.of(Path::new("relative")), None);
    }

    #[test]
    fn where_a_link_led_is_remembered_until_the_mounts_say_something_else() {
        let disks = disks();
        let bob = Path::new("/srv/bob");
        disks.learn(bob, 77, false);
        assert_eq!(disks.of(bob), Some(77));
        assert_eq!(disks.of(Path::new("/srv/eve")), device(254, 0));
        disks.state.lock().mounts.0.insert(bob.to_owned(), 5);
        assert_eq!(disks.of(bob), Some(5));
        disks.learn(bob, 5, false);
        assert!(disks.state.lock().elsewhere.is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let disks = disks();
        for number in 0..=MOST_ELSEWHERE {
            disks.learn(&PathBuf::from(format!("/srv/{number}")), 77, false);
        }
        assert!(disks.state.lock().elsewhere.len() <= MOST_ELSEWHERE);
    }

    #[test]
    fn the_mounts_of_this_machine_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let found = rustix::fs::stat(folder.path()).unwrap().st_dev;
        MOUNTED.learn(folder.path(), found, false);
        assert_eq!(MOUNTED.of(folder.path()), Some(found));
        assert!(MOUNTED.of(Path::new("/")).is_some());
    }

    #[test]
    fn a_device_answers_at_once_until_mounts_change() {
        let disks = MountInfo::default();
        let folder = tempfile::tempdir().unwrap();
        let found = rustix::fs::stat(folder.path()).unwrap().st_dev;
        assert_eq!(disks.at_once(folder.path()), None);
        disks.learn(folder.path(), found, true);
        assert_eq!(disks.at_once(folder.path()), Some(found));
        assert_eq!(disks.at_once(Path::new("/proc")), None);
        // A list that cannot be asked may have changed.
        disks.state.lock().list = None;
        assert_eq!(disks.at_once(folder.path()), None);
    }
}
