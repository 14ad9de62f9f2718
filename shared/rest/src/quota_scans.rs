//! `/quota_scan`: scans that run.

use serde::{Deserialize, Serialize};

/// A scan that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaScan {
    /// Whose files are counted.
    pub username: String,
    /// Since when, Unix milliseconds.
    pub start_time: i64,
}
