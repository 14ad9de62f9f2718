//! `GET /version`.

use serde::{Deserialize, Serialize};

/// Which build answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Version.
    pub version: String,
    /// When it was built; may be empty.
    pub build_date: String,
    /// From which commit; may be empty.
    pub commit_hash: String,
}
