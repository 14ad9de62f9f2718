//! The log file: replaced when it is full, and followed when others rename, remove or empty it.
//! Used by the log thread only.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use ferryd_domain::Fault;

use crate::complaint::Complaint;
use crate::rotation::{Rotation, old_name, tidy_in_background};
use crate::sink::Output;

/// How long a name may be missing before the file is made: logrotate renames first and makes the
/// new file itself, and would put one that is there already aside.
const MAKING: Duration = Duration::from_millis(50);

/// How long a name that cannot be opened is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// The file that is written now.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    opened: Opened,
    tidying: Option<JoinHandle<()>>,
    complaint: Complaint,
    retry_at: Option<Instant>,
}

/// An open file and what was known of it last.
#[derive(Debug)]
struct Opened {
    file: File,
    size: u64,
    /// `None` for terminals, pipes and other devices, which are neither full nor renamed.
    identity: Option<Identity>,
}

/// Device and number, by which a file is known whatever its name.
type Identity = (u64, u64);

impl LogFile {
    /// Opens a file for appending; it is made when missing, and so is its directory.
    ///
    /// # Errors
    /// `Failed`, naming the file.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> Result<Self, Fault> {
        let opened = open(path).map_err(|error| {
            Fault::failed(format!("cannot open the log file {}", path.display())).because(error)
        })?;
        let complaint = Complaint::about("the log file cannot be opened again");
        Ok(Self {
            path: path.to_owned(),
            rotation,
            opened,
            tidying: None,
            complaint,
            retry_at: None,
        })
    }

    fn room(&self) -> usize {
        if self.opened.identity.is_none() {
            return usize::MAX;
        }
        let room = self.rotation.max_size.saturating_sub(self.opened.size);
        usize::try_from(room).unwrap_or(usize::MAX)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.opened.file.write_all(lines)?;
        self.opened.size += lines.len() as u64;
        Ok(())
    }

    /// When a new file cannot be opened, the old one is written on: lines count more than size.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(tidying) = self.tidying.take() {
            let _ = tidying.join();
        }
        let old = old_name(&self.path, SystemTime::now());
        rename(&self.path, &old)?;
        self.opened = open(&self.path)?;
        self.tidying = tidy_in_background(self.path.clone(), self.rotation);
        Ok(())
    }

    /// Goes to the file that has the name now. One that was emptied has room again.
    fn follow(&mut self) {
        let Some(identity) = self.opened.identity else { return };
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        match std::fs::metadata(&self.path) {
            Ok(found) if identity_of(&found) == Some(identity) => self.opened.size = found.len(),
            Ok(_) => self.open_again(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::thread::sleep(MAKING);
                self.open_again();
            }
            Err(_) => {}
        }
    }

    /// Until it can be opened, the old one is written on.
    fn open_again(&mut self) {
        let opened = open(&self.path);
        self.retry_at = opened.is_err().then(|| Instant::now() + RETRY);
        self.complaint.note(opened.map(|opened| self.opened = opened));
    }
}

impl Output for LogFile {
    fn reopen(&mut self) {
        self.open_again();
    }
}

impl Write for LogFile {
    /// Takes whole lines; none is torn over two files.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.follow();
        let room = self.room();
        if lines.len() <= room {
            self.append(lines)?;
            return Ok(lines.len());
        }
        let fitting = whole_lines(lines, room);
        if !fitting.is_empty() {
            self.append(fitting)?;
            return Ok(fitting.len());
        }
        if self.opened.size > 0 {
            self.rotate()?;
        }
        let fitting = whole_lines(lines, self.room());
        let next = if fitting.is_empty() { first_line(lines) } else { fitting };
        self.append(next)?;
        Ok(next.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        if let Some(tidying) = self.tidying.take() {
            let _ = tidying.join();
        }
    }
}

fn whole_lines(lines: &[u8], room: usize) -> &[u8] {
    let within = lines.get(..room).unwrap_or(lines);
    let end = within.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    lines.get(..end).unwrap_or_default()
}

fn first_line(lines: &[u8]) -> &[u8] {
    let end = lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |at| at + 1);
    lines.get(..end).unwrap_or(lines)
}

/// Log lines name users and paths, which are not everybody's business.
#[expect(clippy::disallowed_methods, reason = "owns the log files")]
fn open(path: &Path) -> io::Result<Opened> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let found = file.metadata()?;
    Ok(Opened { file, size: found.len(), identity: identity_of(&found) })
}

fn identity_of(found: &Metadata) -> Option<Identity> {
    found.is_file().then(|| (found.dev(), found.ino()))
}

#[expect(clippy::disallowed_methods, reason = "owns the log files")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

#[cfg(test)]
mod tests;
