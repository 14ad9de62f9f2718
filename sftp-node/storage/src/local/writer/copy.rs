//! Copies the old bytes into a temporary file: shared blocks where the file system can, else a
//! copy inside the kernel, else by hand. Holes stay holes, so that a sparse file costs what it
//! holds and not what it spans.

use std::os::fd::OwnedFd;

use ferryd_domain::Fault;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::local::copy_range::{Step, copy_range};
use crate::local::fault::fault;

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
        let length = end.saturating_sub(start);
        copy_range(source, target, Step { from: start, to: start, length })?;
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
}
