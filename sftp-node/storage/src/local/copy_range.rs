//! Copies a part of one file into another. The kernel does it, which shares blocks where the file
//! system can; what it refuses is done by hand. Blocks.

use std::os::fd::OwnedFd;

use ferryd_domain::Fault;
use rustix::io::{Errno, retry_on_intr};

use super::fault::fault;

/// Bytes of one read and write by hand.
const CHUNK: usize = 256 * 1024;

/// Which bytes go where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// First byte in the source.
    pub from: u64,
    /// Where it goes in the target.
    pub to: u64,
    /// Bytes.
    pub length: u64,
}

impl Step {
    /// Returns what is left after `done` bytes.
    fn after(self, done: u64) -> Self {
        let (from, to) = (self.from.saturating_add(done), self.to.saturating_add(done));
        Self { from, to, length: self.length.saturating_sub(done) }
    }

    /// The operating system calls offsets that no file reaches an invalid argument.
    fn fits_files(self) -> Result<Self, Fault> {
        if i64::try_from(self.to.saturating_add(self.length)).is_err() {
            return Err(fault(Errno::FBIG));
        }
        let reachable = i64::MAX.unsigned_abs().saturating_sub(self.from);
        Ok(Self { length: self.length.min(reachable), ..self })
    }
}

/// Copies; returns how many bytes, fewer than asked for only when the source ends.
pub(super) fn copy_range(source: &OwnedFd, target: &OwnedFd, step: Step) -> Result<u64, Fault> {
    let step = step.fits_files()?;
    let done = in_kernel(source, target, step)?;
    Ok(done.saturating_add(by_hand(source, target, step.after(done))?))
}

/// Copies as far as the kernel does.
fn in_kernel(source: &OwnedFd, target: &OwnedFd, step: Step) -> Result<u64, Fault> {
    let mut done = 0;
    while done < step.length {
        let rest = step.after(done);
        let (mut from, mut to) = (rest.from, rest.to);
        let length = usize::try_from(rest.length).unwrap_or(usize::MAX);
        match rustix::fs::copy_file_range(source, Some(&mut from), target, Some(&mut to), length) {
            // The end of the source, or a file system that does not say that it cannot.
            Ok(0) => break,
            Ok(copied) => done = done.saturating_add(copied as u64),
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                break;
            }
            Err(errno) => return Err(fault(errno)),
        }
    }
    Ok(done)
}

/// Copies what the kernel did not.
fn by_hand(source: &OwnedFd, target: &OwnedFd, step: Step) -> Result<u64, Fault> {
    let mut buffer = Vec::new();
    let mut done = 0;
    while done < step.length {
        let rest = step.after(done);
        let length = usize::try_from(rest.length).unwrap_or(CHUNK).min(CHUNK);
        buffer.resize(length, 0);
        let read = retry_on_intr(|| rustix::io::pread(source, buffer.as_mut_slice(), rest.from))
            .map_err(fault)?;
        if read == 0 {
            break;
        }
        write_whole(target, buffer.get(..read).unwrap_or_default(), rest.to)?;
        done = done.saturating_add(read as u64);
    }
    Ok(done)
}

fn write_whole(target: &OwnedFd, mut data: &[u8], mut position: u64) -> Result<(), Fault> {
    while !data.is_empty() {
        let written =
            retry_on_intr(|| rustix::io::pwrite(target, data, position)).map_err(fault)?;
        if written == 0 {
            return Err(Fault::failed("disk took no data"));
        }
        position = position.saturating_add(written as u64);
        data = data.get(written..).unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek, Write};

    use super::*;

    fn file(content: &[u8]) -> OwnedFd {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        file.into()
    }

    fn content(file: OwnedFd) -> Vec<u8> {
        let (mut file, mut content) = (std::fs::File::from(file), Vec::new());
        file.rewind().unwrap();
        file.read_to_end(&mut content).unwrap();
        content
    }

    #[test]
    fn the_kernel_and_the_hand_copy_the_same() {
        let data: Vec<u8> = (0..700_001_u32).map(|number| (number % 251) as u8).collect();
        for copy in [copy_range, in_kernel, by_hand] {
            let target = file(b"0123456789");
            let step = Step { from: 1, to: 4, length: 600_000 };
            assert_eq!(copy(&file(&data), &target, step).unwrap(), 600_000);
            let expected = [b"0123".as_slice(), &data[1..600_001]].concat();
            assert!(content(target) == expected);
        }
    }

    #[test]
    fn a_step_ends_where_the_source_ends() {
        let (source, target) = (file(b"0123456789"), file(b""));
        let copied = |from, length| copy_range(&source, &target, Step { from, to: 0, length });
        assert_eq!(copied(7, 100).unwrap(), 3);
        for from in [10, 11, i64::MAX as u64, u64::MAX] {
            assert_eq!(copied(from, 100).unwrap(), 0, "{from}");
        }
        assert_eq!(content(target), b"789");
    }

    #[test]
    fn a_target_beyond_all_files_is_refused() {
        let step = Step { from: 0, to: u64::MAX - 1, length: 3 };
        assert!(copy_range(&file(b"abc"), &file(b""), step).is_err());
    }
}
