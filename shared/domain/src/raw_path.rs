//! `RawPath`: a path as the bytes that a disk or a client uses. For events, logs and answers, which
//! show it as text and carry the bytes beside it where the text is not exact.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::VirtualPath;

/// A path on a disk, the key of an object, or the path of a client; may be empty.
/// SFTP version 3 has no character set, so the bytes need not be UTF-8.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct RawPath(Vec<u8>);

impl RawPath {
    /// Tells whether there is no path.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the bytes, consuming the path.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Returns the path as text; bytes that are not UTF-8 are replaced by U+FFFD.
    pub fn to_text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

/// Returns the bytes in base64 (RFC 4648) when a text cannot hold them: when they are not UTF-8.
pub fn base64_unless_text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).is_err().then(|| STANDARD.encode(bytes))
}

impl From<Vec<u8>> for RawPath {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl From<&str> for RawPath {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl From<String> for RawPath {
    fn from(text: String) -> Self {
        Self(text.into_bytes())
    }
}

impl From<&VirtualPath> for RawPath {
    fn from(path: &VirtualPath) -> Self {
        Self(path.as_bytes().to_vec())
    }
}

impl fmt::Display for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

impl fmt::Debug for RawPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_text_has_a_base64_form() {
        assert_eq!(base64_unless_text("/srv/café".as_bytes()), None);
        assert_eq!(base64_unless_text(b""), None);
        let latin1 = RawPath::from(b"/caf\xe9".to_vec());
        assert_eq!(base64_unless_text(latin1.as_bytes()).as_deref(), Some("L2NhZuk="));
        assert_eq!(latin1.to_text(), "/caf\u{fffd}");
        assert_eq!(format!("{latin1:?}"), r#""/caf\xe9""#);
    }
}
