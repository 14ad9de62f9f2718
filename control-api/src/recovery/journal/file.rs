//! The file of the journal, one line per change: `+"name"` or `-"name"` with the name as JSON. What
//! was written is on the disk when a call returns, so calls block.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use ferryd_domain::Username;

/// What is read of a file that an earlier run has left.
const MAX_SIZE: u64 = 256 << 20;

/// An open file.
#[derive(Debug)]
pub(super) struct JournalFile {
    file: File,
}

impl JournalFile {
    /// Writes a text beside the file and lets that take its place.
    #[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
    pub(super) fn write_anew(path: &Path, text: &str) -> std::io::Result<Self> {
        let beside = path.with_extension("new");
        std::fs::write(&beside, text)?;
        let file = OpenOptions::new().append(true).open(&beside)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        if let Some(folder) = path.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(Self { file })
    }

    /// Adds a text.
    pub(super) fn append(mut self, text: &str) -> std::io::Result<Self> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()?;
        Ok(self)
    }

    /// Returns a file that takes nothing.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "stands for a disk that is full")]
    pub(super) fn read_only() -> Self {
        Self { file: File::open("/dev/null").unwrap() }
    }
}

/// Returns the line that adds or removes a name.
pub(super) fn line(sign: char, name: &Username) -> String {
    format!("{sign}{}\n", serde_json::Value::from(name.as_str()))
}

/// Returns the names that a file holds.
#[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
pub(super) fn read(path: &Path) -> HashSet<Username> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path)
        && let Err(error) = file.take(MAX_SIZE).read_to_end(&mut text)
    {
        tracing::warn!(sender = "quota", file = %path.display(), %error, "cannot be read");
    }
    let mut names = HashSet::new();
    // A line that a crash has cut is no JSON and counts nothing.
    for line in String::from_utf8_lossy(&text).lines() {
        let Some((sign, name)) = line.split_at_checked(1) else { continue };
        let Ok(name) = serde_json::from_str::<String>(name) else { continue };
        match sign {
            "+" => names.insert(Username::stored(&name)),
            "-" => names.remove(&Username::stored(&name)),
            _ => false,
        };
    }
    names
}
