//! Old log files: named after the time of their end, may be compressed, go away by number and age.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

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

/// `dir/ferryd.log` becomes `dir/ferryd-2026-11-24T13-00-00.000.log`. Small limits fill several
/// files within one millisecond, and an old file may have been compressed already.
pub(crate) fn old_name(path: &Path, time: SystemTime) -> PathBuf {
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
pub(crate) fn tidy_in_background(path: PathBuf, rotation: Rotation) -> Option<JoinHandle<()>> {
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
pub(crate) fn old_files(path: &Path) -> Vec<PathBuf> {
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
