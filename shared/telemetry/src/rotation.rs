//! A log file that is replaced when it is full. Old ones are named after the time of their end,
//! may be compressed, and go away by number and age. Used by the log thread only.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use ferryd_domain::Fault;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::clock;

/// A size of 0 does not mean to keep nothing.
const UNSET_MEGABYTES: u64 = 100;

const DAY: Duration = Duration::from_secs(86_400);

/// Whether old files are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compress {
    /// They stay as they are.
    #[default]
    No,
    /// By gzip.
    Gzip,
}

/// When a file is full and what happens to old ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes of a full file.
    pub max_size: u64,
    /// Old files that stay; 0 for all.
    pub max_backups: usize,
    /// Days that old files stay; 0 for ever.
    pub max_age_days: u64,
    /// Whether old files are compressed.
    pub compress: Compress,
}

impl Default for Rotation {
    fn default() -> Self {
        Self::new(10, 5, 28, Compress::No)
    }
}

impl Rotation {
    /// Returns a rotation by megabytes (0: 100), number of old files and days.
    pub fn new(megabytes: u64, max_backups: u64, max_age_days: u64, compress: Compress) -> Self {
        let megabytes = if megabytes == 0 { UNSET_MEGABYTES } else { megabytes };
        Self {
            max_size: megabytes.saturating_mul(1024 * 1024),
            max_backups: usize::try_from(max_backups).unwrap_or(usize::MAX),
            max_age_days,
            compress,
        }
    }
}

/// The file that is written now.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    size: u64,
    tidying: Option<JoinHandle<()>>,
}

impl LogFile {
    /// Opens a file for appending; it is made when missing, and so is its directory.
    ///
    /// # Errors
    /// `Failed`, naming the file.
    pub fn open(path: &Path, rotation: Rotation) -> Result<Self, Fault> {
        let (file, size) = open(path).map_err(|error| {
            Fault::failed(format!("cannot open the log file {}", path.display())).because(error)
        })?;
        Ok(Self { path: path.to_owned(), rotation, file, size, tidying: None })
    }

    fn room(&self) -> usize {
        usize::try_from(self.rotation.max_size.saturating_sub(self.size)).unwrap_or(usize::MAX)
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)?;
        self.size += lines.len() as u64;
        Ok(())
    }

    /// When a new file cannot be opened, the old one is written on: lines count more than size.
    fn rotate(&mut self) -> io::Result<()> {
        if let Some(tidying) = self.tidying.take() {
            let _ = tidying.join();
        }
        let old = old_name(&self.path, SystemTime::now());
        rename(&self.path, &old)?;
        let (file, size) = open(&self.path)?;
        self.file = file;
        self.size = size;
        self.tidying = tidy_in_background(self.path.clone(), self.rotation);
        Ok(())
    }
}

impl Write for LogFile {
    /// Takes whole lines; none is torn over two files.
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
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
        if self.size > 0 {
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
fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[expect(clippy::disallowed_methods, reason = "owns the log files")]
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    std::fs::rename(from, to)
}

/// `dir/ferryd.log` becomes `dir/ferryd-2026-11-24T13-00-00.000.log`. Small limits fill several
/// files within one millisecond, and an old file may have been compressed already.
fn old_name(path: &Path, time: SystemTime) -> PathBuf {
    let named = |step| {
        let (mut name, extension) = name_parts(path);
        name.push(clock::file_stamp(time + Duration::from_millis(step)));
        name.push(extension);
        path.with_file_name(name)
    };
    (0..1000)
        .map(named)
        .find(|name| !name.exists() && !with_suffix(name, ".gz").exists())
        .unwrap_or_else(|| named(0))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns `ferryd-` and `.log`.
fn name_parts(path: &Path) -> (OsString, OsString) {
    let mut stem = path.file_stem().unwrap_or_default().to_owned();
    stem.push("-");
    let mut extension = OsString::new();
    if let Some(last) = path.extension() {
        extension.push(".");
        extension.push(last);
    }
    (stem, extension)
}

/// Compressing takes longer than lines may wait.
fn tidy_in_background(path: PathBuf, rotation: Rotation) -> Option<JoinHandle<()>> {
    let builder = std::thread::Builder::new().name("ferryd-log-tidy".to_owned());
    builder.spawn(move || tidy(&path, rotation)).ok()
}

fn tidy(path: &Path, rotation: Rotation) {
    let mut old = old_files(path);
    if rotation.compress == Compress::Gzip {
        for file in old.iter().filter(|file| file.extension().is_none_or(|last| last != "gz")) {
            if let Err(error) = compress(file) {
                tracing::warn!(sender = "log", %error, "an old log file cannot be compressed");
            }
        }
        old = old_files(path);
    }
    for file in superfluous(&old, rotation) {
        remove(&file);
    }
}

/// Returns the old files, the newest first: their names sort by time.
fn old_files(path: &Path) -> Vec<PathBuf> {
    let (stem, extension) = name_parts(path);
    let (stem, extension) = (stem.to_string_lossy(), extension.to_string_lossy());
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .filter_map(Result::ok)
        .filter(|entry| is_old_file(&entry.file_name().to_string_lossy(), &stem, &extension))
        .map(|entry| entry.path())
        .collect();
    files.sort_unstable_by(|a, b| b.cmp(a));
    files
}

/// Never touches a file that this rotation has not named.
fn is_old_file(name: &str, stem: &str, extension: &str) -> bool {
    let Some(rest) = name.strip_prefix(stem) else { return false };
    let rest = rest.strip_suffix(".gz").unwrap_or(rest);
    let Some(stamp) = rest.strip_suffix(extension) else { return false };
    chrono::NaiveDateTime::parse_from_str(stamp, "%Y-%m-%dT%H-%M-%S%.3f").is_ok()
}

fn superfluous(old: &[PathBuf], rotation: Rotation) -> Vec<PathBuf> {
    let keep = if rotation.max_backups == 0 { old.len() } else { rotation.max_backups };
    let too_many = old.iter().skip(keep);
    let too_old = old.iter().take(keep).filter(|file| {
        rotation.max_age_days > 0
            && age(file) > DAY * u32::try_from(rotation.max_age_days).unwrap_or(u32::MAX)
    });
    too_many.chain(too_old).cloned().collect()
}

fn age(file: &Path) -> Duration {
    let modified = file.metadata().and_then(|metadata| metadata.modified());
    modified.ok().and_then(|time| time.elapsed().ok()).unwrap_or(Duration::ZERO)
}

/// The compressed file gets its name when it is complete.
#[expect(clippy::disallowed_methods, reason = "owns the log files")]
fn compress(file: &Path) -> io::Result<()> {
    let part = with_suffix(file, ".gz.part");
    let mut target = OpenOptions::new();
    target.write(true).create(true).truncate(true).mode(0o600);
    let mut encoder = GzEncoder::new(target.open(&part)?, Compression::default());
    io::copy(&mut File::open(file)?, &mut encoder)?;
    encoder.finish()?;
    std::fs::rename(&part, with_suffix(file, ".gz"))?;
    std::fs::remove_file(file)
}

#[expect(clippy::disallowed_methods, reason = "owns the log files")]
fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        tracing::warn!(sender = "log", %error, "an old log file cannot be removed");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn small(max_backups: usize, compress: Compress) -> Rotation {
        Rotation { max_size: 100, max_backups, max_age_days: 28, compress }
    }

    fn content(path: &Path) -> String {
        let mut bytes = Vec::new();
        File::options().read(true).open(path).unwrap().read_to_end(&mut bytes).unwrap();
        if path.extension().is_some_and(|last| last == "gz") {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).unwrap();
            return text;
        }
        String::from_utf8(bytes).unwrap()
    }

    fn all_lines(path: &Path) -> Vec<String> {
        let mut files = old_files(path);
        files.reverse();
        files.push(path.to_owned());
        files
            .iter()
            .flat_map(|file| content(file).lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    #[test]
    fn no_line_is_lost_or_torn_over_many_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("logs/ferryd.log");
        let mut log = LogFile::open(&path, small(0, Compress::Gzip)).unwrap();
        let lines: Vec<_> = (0..40).map(|number| format!("line {number:020}")).collect();
        for batch in lines.chunks(7) {
            log.write_all((batch.join("\n") + "\n").as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(all_lines(&path), lines);
        assert!(old_files(&path).len() >= 8);
        assert!(old_files(&path).iter().all(|file| file.extension().unwrap() == "gz"));
    }

    #[test]
    fn only_the_newest_old_files_stay_and_strangers_are_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferryd.log");
        let stranger = dir.path().join("ferryd-notes.log");
        open(&stranger).unwrap();
        let mut log = LogFile::open(&path, small(2, Compress::No)).unwrap();
        for number in 0..20 {
            log.write_all(format!("{number:060}\n").as_bytes()).unwrap();
        }
        drop(log);
        assert_eq!(old_files(&path).len(), 2);
        assert!(all_lines(&path).last().unwrap().ends_with("19"));
        assert!(stranger.exists());
    }

    #[test]
    fn a_line_longer_than_a_file_is_written_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ferryd.log");
        let mut log = LogFile::open(&path, small(0, Compress::No)).unwrap();
        let long = "x".repeat(500);
        log.write_all(format!("a\n{long}\nb\n").as_bytes()).unwrap();
        drop(log);
        assert_eq!(all_lines(&path), ["a", &long, "b"]);
    }
}
