//! Copies the old bytes into a temporary file: shared blocks where the file system can, else a
//! copy inside the kernel, else by hand.

use std::os::fd::OwnedFd;

use ferryd_domain::Fault;
use rustix::io::retry_on_intr;

use crate::local::fault::fault;

const CHUNK: usize = 256 * 1024;
/// As much as the kernel copies in one call; it can be interrupted between calls only.
const KERNEL_CHUNK: usize = 64 * 1024 * 1024;

/// Copies all bytes of a file into an empty one.
pub(super) fn copy(source: &OwnedFd, target: &OwnedFd) -> Result<(), Fault> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    let done = in_kernel(source, target);
    by_hand(source, target, done)
}

/// Copies as far as the kernel can; returns how far that is.
fn in_kernel(source: &OwnedFd, target: &OwnedFd) -> u64 {
    let (mut from, mut to) = (0, 0);
    loop {
        let (from, to) = (Some(&mut from), Some(&mut to));
        match rustix::fs::copy_file_range(source, from, target, to, KERNEL_CHUNK) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    to
}

/// Copies the rest; this also finds out that there is none.
fn by_hand(source: &OwnedFd, target: &OwnedFd, mut position: u64) -> Result<(), Fault> {
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = retry_on_intr(|| rustix::io::pread(source, buffer.as_mut_slice(), position))
            .map_err(fault)?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            return Ok(());
        }
        while !rest.is_empty() {
            let written =
                retry_on_intr(|| rustix::io::pwrite(target, rest, position)).map_err(fault)?;
            if written == 0 {
                return Err(Fault::failed("disk took no data"));
            }
            position = position.saturating_add(written as u64);
            rest = rest.get(written..).unwrap_or_default();
        }
    }
}
