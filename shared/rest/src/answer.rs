//! The body of every answer that is neither data nor a list.

use ferryd_domain::{Fault, FaultKind};
use serde::{Deserialize, Serialize};

/// Tells how a request went. All three keys are always there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiResponse {
    /// What went wrong, or empty.
    #[serde(default)]
    pub error: String,
    /// What was done, or empty.
    #[serde(default)]
    pub message: String,
    /// The HTTP status once more.
    #[serde(default)]
    pub status: u16,
}

impl ApiResponse {
    /// Returns the answer to a request that was carried out.
    pub fn done(status: u16, message: impl Into<String>) -> Self {
        Self { error: String::new(), message: message.into(), status }
    }

    /// Returns the answer to a request that failed.
    pub fn failed(status: u16, error: impl Into<String>) -> Self {
        Self { error: error.into(), message: String::new(), status }
    }

    /// Returns the fault that a client of the API makes of this answer.
    pub fn into_fault(self) -> Fault {
        let text = if self.error.is_empty() { self.message } else { self.error };
        Fault::new(kind_of(self.status), text)
    }
}

/// Returns the kind of fault behind a status.
fn kind_of(status: u16) -> FaultKind {
    match status {
        400 | 413 | 431 => FaultKind::InvalidInput,
        401 => FaultKind::Unauthenticated,
        403 => FaultKind::PermissionDenied,
        404 => FaultKind::NotFound,
        409 => FaultKind::Conflict,
        501 => FaultKind::Unsupported,
        502 | 503 => FaultKind::Unavailable,
        408 | 504 => FaultKind::DeadlineExceeded,
        _ => FaultKind::Failed,
    }
}
