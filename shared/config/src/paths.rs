//! Paths in the configuration count from the config directory.

use std::path::{Path, PathBuf};

/// Returns a configured path as it stands when absolute, else below the config directory.
pub fn relative_to(config_dir: &Path, path: impl AsRef<Path>) -> PathBuf {
    let path = path.as_ref();
    if path.is_absolute() || config_dir == Path::new(".") {
        return path.to_owned();
    }
    config_dir.join(path)
}
