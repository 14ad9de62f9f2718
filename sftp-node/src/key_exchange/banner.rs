//! The text that clients see before they log in (RFC 4252 section 5.4).

use std::path::Path;

/// Longest banner, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// Reads the banner file; one that cannot be read is only warned about.
#[expect(clippy::disallowed_methods, reason = "the banner is the server's own file")]
pub(crate) fn load(file: &str, config_dir: &Path) -> Option<String> {
    if file.is_empty() {
        return None;
    }
    let path = config_dir.join(file);
    match std::fs::read(&path) {
        Ok(mut bytes) => {
            bytes.truncate(MAX_LENGTH);
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        Err(error) => {
            tracing::warn!(sender = "sftpd", path = %path.display(), %error, "login banner not read");
            None
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests make their own files")]
mod tests {
    use super::*;

    #[test]
    fn a_missing_banner_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load("none", folder.path()), None);
        std::fs::write(folder.path().join("b"), "hello\n").unwrap();
        assert_eq!(load("b", folder.path()).as_deref(), Some("hello\n"));
    }
}
