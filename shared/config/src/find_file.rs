//! Where the configuration file is: a name without extension in a few folders.

use std::path::{Path, PathBuf};

use ferryd_domain::Fault;
use serde_json::Value;

use crate::{ConfigOptions, formats};

/// The name that files have when nothing else is said, and the one they had before.
const NAMES: [&str; 2] = ["ferryd", "sftpgo"];

/// More than any configuration needs; a wrong path may lead to anything.
const MAX_SIZE: u64 = 4 * 1024 * 1024;

/// A file that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
}

/// Returns the first file there is.
pub(crate) fn find(options: &ConfigOptions, home: Option<&Path>) -> Result<Option<Found>, Fault> {
    // A mistyped folder must not become a new server with an empty store.
    if !options.config_dir.is_dir() {
        let text = format!("--config-dir: {} is not a directory", options.config_dir.display());
        return Err(Fault::invalid(text));
    }
    let names = names(&options.config_file)?;
    let folders = folders(&options.config_dir, home);
    Ok(folders
        .iter()
        .flat_map(|folder| names.iter().flat_map(|name| candidates(folder, name)))
        .find(|path| path.is_file())
        .map(|path| Found { path }))
}

fn names(wanted: &str) -> Result<Vec<String>, Fault> {
    if wanted.contains('/') {
        let text =
            format!("--config-file: {wanted:?} is a path; give its folder with --config-dir");
        return Err(Fault::invalid(text));
    }
    if wanted.is_empty() || NAMES.first() == Some(&wanted) {
        return Ok(NAMES.map(str::to_owned).to_vec());
    }
    Ok(vec![wanted.to_owned()])
}

fn folders(config_dir: &Path, home: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = vec![config_dir.to_owned()];
    if let Some(home) = home {
        folders.extend(NAMES.map(|name| home.join(".config").join(name)));
    }
    folders.extend(NAMES.map(|name| Path::new("/etc").join(name)));
    folders.push(PathBuf::from("."));
    folders
}

/// The name is meant without its extension, but people give it all the same.
fn candidates(folder: &Path, name: &str) -> Vec<PathBuf> {
    let with_extension = formats::extensions().any(|extension| {
        Path::new(name).extension().is_some_and(|last| last.eq_ignore_ascii_case(extension))
    });
    let mut candidates = Vec::new();
    if with_extension {
        candidates.push(folder.join(name));
    }
    candidates
        .extend(formats::extensions().map(|extension| folder.join(format!("{name}.{extension}"))));
    candidates
}

impl Found {
    /// Reads and parses the file.
    pub(crate) fn read(&self) -> Result<Value, Fault> {
        let text = self.text()?;
        let extension = self.path.extension().unwrap_or_default().to_string_lossy();
        formats::parse(&extension, &text).map_err(|broken| broken.in_file(&self.path))
    }

    #[expect(clippy::disallowed_methods, reason = "owns the configuration file")]
    fn text(&self) -> Result<String, Fault> {
        let unreadable = |error: std::io::Error| {
            Fault::invalid(format!("{} cannot be read: {error}", self.path.display()))
        };
        if self.path.metadata().map_err(unreadable)?.len() > MAX_SIZE {
            return Err(Fault::invalid(format!("{} is too large", self.path.display())));
        }
        std::fs::read_to_string(&self.path).map_err(unreadable)
    }
}
