//! Copies the old bytes into a temporary file: shared blocks where the file system can, else a
//! copy inside the kernel, else by hand. Holes stay holes, so that a sparse file costs what it
//! holds and not what it spans.

use std::os::fd::OwnedFd;

use ferryd_domain::Fault;
use rustix::fs::SeekFrom;
use rustix::io::{Errno, retry_on_intr};

use crate::local::fault::fault;

const CHUNK: usize = 256 * 1024;
/// As much as the kernel copies in one call.
const KERNEL_CHUNK: u64 = 64 * 1024 * 1024;

/// Copies all bytes of a file into an empty one.
pub(super) fn copy(source: &OwnedFd, target: &OwnedFd) -> Result<(), Fault> {
    if rustix::fs::ioctl_ficlone(target, source).is_ok() {
        return Ok(());
    }
    let size = rustix::fs::fstat(source).map_err(fault)?.st_size;
    let size = u64::try_from(size).unwrap_or(0);
    rustix::fs::ftruncate(target, size).map_err(fault)?;
    let mut position = 0;
    while position < size {
        let Some((start, end)) = data_after(source, position, size).map_err(fault)? else { break };
        let done = in_kernel(source, target, start, end);
        by_hand(source, target, done, end)?;
        position = end;
    }
    Ok(())
}

/// Returns where the next bytes that are no hole start and end; all of the rest where the file
/// system does not tell.
fn data_after(source: &OwnedFd, position: u64, size: u64) -> Result<Option<(u64, u64)>, Errno> {
    let start = match rustix::fs::seek(source, SeekFrom::Data(position)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((position, size))),
        Err(errno) => return Err(errno),
    };
    let end = rustix::fs::seek(source, SeekFrom::Hole(start)).unwrap_or(size);
    let end = end.min(size);
    Ok((start < end).then_some((start, end)))
}

/// Copies as far as the kernel can; returns how far that is.
fn in_kernel(source: &OwnedFd, target: &OwnedFd, start: u64, end: u64) -> u64 {
    let (mut from, mut to) = (start, start);
    while to < end {
        let chunk = usize::try_from((end - to).min(KERNEL_CHUNK)).unwrap_or(CHUNK);
        let (from, to) = (Some(&mut from), Some(&mut to));
        match rustix::fs::copy_file_range(source, from, target, to, chunk) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
    }
    to
}

/// Copies what the kernel did not.
fn by_hand(source: &OwnedFd, target: &OwnedFd, start: u64, end: u64) -> Result<(), Fault> {
    if start >= end {
        return Ok(());
    }
    let (mut position, mut buffer) = (start, vec![0; CHUNK]);
    while position < end {
        let read = retry_on_intr(|| rustix::io::pread(source, buffer.as_mut_slice(), position))
            .map_err(fault)?;
        let mut rest = buffer.get(..read).unwrap_or_default();
        if rest.is_empty() {
            break;
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
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn sparse() -> std::fs::File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"head").unwrap();
        file.seek(std::io::SeekFrom::Start(1 << 34)).unwrap();
        file.write_all(b"tail").unwrap();
        file.set_len((1 << 34) + 100_000).unwrap();
        file
    }

    #[test]
    fn a_sparse_file_is_copied_by_what_it_holds() {
        let target: OwnedFd = tempfile::tempfile().unwrap().into();
        copy(&sparse().into(), &target).unwrap();
        let mut target = std::fs::File::from(target);
        let size = target.metadata().unwrap();
        assert_eq!(size.len(), (1 << 34) + 100_000);
        assert!(size.blocks() * 512 < 1 << 20, "{}", size.blocks());
        let mut text = [0; 4];
        target.rewind().unwrap();
        target.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"head");
        target.seek(std::io::SeekFrom::Start(1 << 34)).unwrap();
        target.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"tail");
    }

    #[test]
    fn without_the_kernel_the_bytes_are_the_same() {
        let data: Vec<u8> = (0..600_000_u32).map(|number| number as u8).collect();
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(&data).unwrap();
        let target: OwnedFd = tempfile::tempfile().unwrap().into();
        by_hand(&source.into(), &target, 0, data.len() as u64).unwrap();
        let mut copied = Vec::new();
        let mut target = std::fs::File::from(target);
        target.rewind().unwrap();
        target.read_to_end(&mut copied).unwrap();
        assert!(copied == data);
    }
}
