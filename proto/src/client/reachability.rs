//! Whether the control plane can be reached. Says so once when that changes, not for each call.

use std::sync::atomic::{AtomicBool, Ordering};

use tonic::Status;

use crate::convert::fault::{from_status, is_of_control_plane};

/// What the last calls have shown.
pub(super) struct Reachability {
    url: String,
    lost: AtomicBool,
}

impl Reachability {
    /// Returns the state before the first call.
    pub(super) fn new(url: String) -> Self {
        Self { url, lost: AtomicBool::new(false) }
    }

    /// Returns the address of the control plane.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for an answer and takes note; only what the link itself says counts as loss.
    pub(super) async fn watch<T>(
        &self,
        answer: impl Future<Output = Result<T, Status>> + Send,
    ) -> Result<T, Status> {
        let answer = answer.await;
        match &answer {
            Err(status) if !is_of_control_plane(status) => self.note_loss(status),
            Ok(_) | Err(_) => self.note_contact(),
        }
        answer
    }

    fn note_loss(&self, status: &Status) {
        if !self.lost.swap(true, Ordering::Relaxed) {
            let error = from_status(status.clone()).to_string();
            tracing::warn!(
                sender = "grpc",
                url = self.url,
                error,
                "the control plane is away: new logins fail, transfers go on"
            );
        }
    }

    fn note_contact(&self) {
        if self.lost.swap(false, Ordering::Relaxed) {
            tracing::info!(sender = "grpc", url = self.url, "the control plane is back");
        }
    }
}
