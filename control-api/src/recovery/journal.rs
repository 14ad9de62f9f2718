//! A file of names, one line per change: `+"name"` or `-"name"` with the name as JSON. It survives
//! the end of the process, however it ends. A file that cannot be written is a warning: then only
//! what is known in memory is recovered.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use ferryd_domain::Username;

/// Lines beyond the names it holds after which the file is written anew.
const SLACK: usize = 1024;
/// What is read of a file that an earlier run has left.
const MAX_SIZE: u64 = 256 << 20;

/// The file and what it says.
#[derive(Debug, Default)]
pub(super) struct Journal {
    path: PathBuf,
    /// `None` when nothing is kept.
    file: Option<File>,
    names: HashSet<Username>,
    lines: usize,
}

impl Journal {
    /// Opens a file, which may be missing, and returns the names that it holds.
    pub(super) fn open(path: &Path) -> (Self, Vec<Username>) {
        let names = read(path);
        let found = names.iter().cloned().collect();
        let mut journal = Self { path: path.to_owned(), file: None, names, lines: 0 };
        journal.write_anew();
        (journal, found)
    }

    /// Adds a name; it is in the file when this returns.
    pub(super) fn add(&mut self, name: &Username) {
        if self.file.is_some() && self.names.insert(name.clone()) {
            self.append(&line('+', name));
        }
    }

    /// Removes the names that need not be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Username) -> bool) {
        let gone: Vec<_> = self.names.iter().filter(|name| !keep(name)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        let text: String = gone.iter().map(|name| line('-', name)).collect();
        gone.iter().for_each(|name| {
            self.names.remove(name);
        });
        self.append(&text);
        if self.lines > 2 * self.names.len() + SLACK {
            self.write_anew();
        }
    }

    fn append(&mut self, text: &str) {
        let Some(file) = &mut self.file else { return };
        self.lines += text.lines().count();
        if let Err(error) = file.write_all(text.as_bytes()) {
            self.give_up(&error);
        }
    }

    /// Writes the names beside the file and lets that take its place.
    fn write_anew(&mut self) {
        let text: String = self.names.iter().map(|name| line('+', name)).collect();
        match replace(&self.path, &text) {
            Ok(file) => {
                self.file = Some(file);
                self.lines = self.names.len();
            }
            Err(error) => self.give_up(&error),
        }
    }

    fn give_up(&mut self, error: &std::io::Error) {
        self.file = None;
        tracing::warn!(
            sender = "quota", file = %self.path.display(), %error,
            "accounts to scan after a crash cannot be noted"
        );
    }
}

fn line(sign: char, name: &Username) -> String {
    format!("{sign}{}\n", serde_json::Value::from(name.as_str()))
}

#[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
fn replace(path: &Path, text: &str) -> std::io::Result<File> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, path)?;
    OpenOptions::new().append(true).open(path)
}

#[expect(clippy::disallowed_methods, reason = "owns this file of the control plane")]
fn read(path: &Path) -> HashSet<Username> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Username {
        Username::stored(name)
    }

    fn names_in(path: &Path) -> Vec<Username> {
        let mut names: Vec<_> = read(path).into_iter().collect();
        names.sort();
        names
    }

    #[test]
    fn names_are_there_after_a_crash_and_gone_when_they_were_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, found) = Journal::open(&path);
        assert!(found.is_empty());
        for added in ["bob", "a\n+\"x\"", "eve"] {
            journal.add(&name(added));
        }
        journal.retain(|kept| *kept != name("eve"));
        std::mem::forget(journal);
        assert_eq!(names_in(&path), [name("a\n+\"x\""), name("bob")]);
        let (_, mut found) = Journal::open(&path);
        found.sort();
        assert_eq!(found, [name("a\n+\"x\""), name("bob")]);
    }

    #[test]
    fn the_file_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let (mut journal, _) = Journal::open(&path);
        for number in 0..4 * SLACK {
            journal.add(&name(&number.to_string()));
            journal.retain(|_| false);
        }
        assert!(path.metadata().unwrap().len() < 32 * SLACK as u64);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "makes a broken file")]
    fn a_line_that_was_cut_counts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, b"+\"bob\"\n\xff\n*\"x\"\n\n+\"ev").unwrap();
        assert_eq!(names_in(&path), [name("bob")]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_end() {
        let (mut journal, _) = Journal::open(Path::new("/nonexistent/journal"));
        journal.add(&name("bob"));
        journal.retain(|_| false);
    }
}
