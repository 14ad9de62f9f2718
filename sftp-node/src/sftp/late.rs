//! STATs of storage that takes long to answer, for example of a mount that hangs. Requests that
//! change nothing overtake them, so that they hold up no other mount; the rest waits for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::replies::{Pending, Queue};
use crate::budget::Exhausted;

/// How long a STAT holds up what follows.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
/// STATs that may be late at once on a channel; the next one holds up what follows.
const MOST: usize = 32;

/// STATs that are late. Dropping it ends them.
#[derive(Debug, Default)]
pub(super) struct Late {
    /// No memory as long as nothing is late.
    running: Option<JoinSet<Result<(), Exhausted>>>,
}

impl Late {
    /// Lets a reply come when it comes.
    pub async fn add(
        &mut self,
        queue: &Arc<Queue>,
        reply: impl Future<Output = Vec<u8>> + Send + 'static,
    ) -> Result<(), Exhausted> {
        let running = self.running.get_or_insert_default();
        while running.len() >= MOST {
            join_one(running).await?;
        }
        let queue = Arc::clone(queue);
        running.spawn(async move { queue.push(Pending::Bytes(reply.await)) });
        Ok(())
    }

    /// Tells whether none has been late since the last wait for all.
    pub fn is_empty(&self) -> bool {
        self.running.is_none()
    }

    /// Waits for all.
    pub async fn finish(&mut self) -> Result<(), Exhausted> {
        if let Some(running) = &mut self.running {
            while !running.is_empty() {
                join_one(running).await?;
            }
            self.running = None;
        }
        Ok(())
    }
}

async fn join_one(running: &mut JoinSet<Result<(), Exhausted>>) -> Result<(), Exhausted> {
    match running.join_next().await {
        Some(Ok(pushed)) => pushed,
        Some(Err(error)) => {
            tracing::error!(sender = "sftpd", %error, "a late request ended unexpectedly");
            Ok(())
        }
        None => Ok(()),
    }
}
