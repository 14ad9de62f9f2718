//! Setting attributes: all those of an open file, and single ones of a name without following it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{SystemTime, UNIX_EPOCH};

use ferryd_domain::Fault;
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, Uid,
};
use rustix::io::Errno;

use super::fault::fault;
use super::stat::CAREFUL;
use crate::SetAttributes;

/// Sets attributes of an open file, in the same order.
pub(super) fn set_on_file(file: impl AsFd, set: &SetAttributes) -> Result<(), Fault> {
    let file = file.as_fd();
    if let Some(size) = set.size {
        resize(file, size)?;
    }
    if let Some(permissions) = set.permissions {
        rustix::fs::fchmod(file, Mode::from_raw_mode(permissions & 0o777)).map_err(fault)?;
    }
    if let Some((uid, gid)) = owner(set) {
        rustix::fs::fchown(file, uid, gid).map_err(fault)?;
    }
    if let Some(times) = times(set) {
        rustix::fs::futimens(file, &times).map_err(fault)?;
    }
    Ok(())
}

/// Sets the mode of a name that is no link. Linux before 6.6 has no call for this that does not
/// follow: a descriptor is taken first, and the mode set through its name in /proc.
pub(super) fn set_mode(directory: BorrowedFd<'_>, name: &[u8], mode: Mode) -> Result<(), Fault> {
    let held = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let entry = rustix::fs::openat(directory, name, held, Mode::empty()).map_err(fault)?;
    let stat = rustix::fs::fstat(&entry).map_err(fault)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        return Err(Fault::failed("links have no permissions"));
    }
    let through = format!("/proc/self/fd/{}", entry.as_raw_fd());
    match rustix::fs::chmodat(CWD, through.as_str(), mode, AtFlags::empty()) {
        // Without /proc only what can be opened can be changed.
        Err(Errno::NOENT | Errno::NOTDIR) => {
            let flags = OFlags::RDONLY | CAREFUL;
            rustix::fs::openat(directory, name, flags, Mode::empty())
                .and_then(|entry| rustix::fs::fchmod(entry, mode))
                .map_err(fault)
        }
        result => result.map_err(fault),
    }
}

/// Cuts or grows a file.
pub(super) fn resize(file: impl AsFd, size: u64) -> Result<(), Fault> {
    if i64::try_from(size).is_err() {
        return Err(fault(Errno::FBIG));
    }
    rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&file, size)).map_err(fault)
}

/// Returns the owner to set. Ids of all ones mean "unchanged" to the operating system.
pub(super) fn owner(set: &SetAttributes) -> Option<(Option<Uid>, Option<Gid>)> {
    let known = |id: Option<u32>| id.filter(|id| *id != u32::MAX);
    let (uid, gid) = (known(set.uid), known(set.gid));
    (uid.is_some() || gid.is_some()).then(|| (uid.map(Uid::from_raw), gid.map(Gid::from_raw)))
}

/// Returns the times to set; the one that is not given stays.
pub(super) fn times(set: &SetAttributes) -> Option<Timestamps> {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let stamp = |time: Option<SystemTime>| time.map_or(omitted, timespec);
    (set.accessed.is_some() || set.modified.is_some()).then(|| Timestamps {
        last_access: stamp(set.accessed),
        last_modification: stamp(set.modified),
    })
}

/// Returns the times of a file as they can be set on another one.
pub(super) fn times_of(stat: &Stat) -> Timestamps {
    let stamp = |seconds, nanos| Timespec { tv_sec: seconds, tv_nsec: nanos };
    Timestamps {
        last_access: stamp(stat.st_atime, i64::try_from(stat.st_atime_nsec).unwrap_or(0)),
        last_modification: stamp(stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
    }
}

fn timespec(time: SystemTime) -> Timespec {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => Timespec {
            tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: after.subsec_nanos().into(),
        },
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => Timespec { tv_sec: -seconds, tv_nsec: 0 },
                nanos => Timespec { tv_sec: -seconds - 1, tv_nsec: (1_000_000_000 - nanos).into() },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_1970_count_down() {
        let time = timespec(UNIX_EPOCH - Duration::from_millis(1500));
        assert_eq!((time.tv_sec, time.tv_nsec), (-2, 500_000_000));
        let time = timespec(UNIX_EPOCH + Duration::from_millis(1500));
        assert_eq!((time.tv_sec, time.tv_nsec), (1, 500_000_000));
    }
}
