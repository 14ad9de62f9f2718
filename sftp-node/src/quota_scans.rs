//! Quota scans that the control plane has asked for. They end with their owner, the link to the
//! control plane: also in the middle of a directory.

use std::sync::Arc;

use ferryd_control_plane::{ControlPlane, ScanId, ScanOutcome};
use ferryd_domain::{Account, QuotaUsage};
use ferryd_storage::open::count;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// The scans that run.
#[derive(Debug)]
pub(crate) struct QuotaScans {
    running: JoinSet<()>,
    stopped: CancellationToken,
    _stop: DropGuard,
}

impl Default for QuotaScans {
    fn default() -> Self {
        let stopped = CancellationToken::new();
        Self { running: JoinSet::new(), _stop: stopped.clone().drop_guard(), stopped }
    }
}

impl QuotaScans {
    /// Starts a scan and reports what it finds; must be called within a runtime.
    pub fn start(&mut self, control: Arc<dyn ControlPlane>, scan: ScanId, account: Box<Account>) {
        while self.running.try_join_next().is_some() {}
        let stopped = self.stopped.clone();
        self.running.spawn(async move {
            let usage = usage_of(&account, stopped).await;
            let username = account.username.clone();
            if let Err(fault) = control.finish_scan(ScanOutcome { scan, username, usage }).await {
                tracing::warn!(sender = "sftpd", error = %fault, "a quota scan was not reported");
            }
        });
    }
}

async fn usage_of(account: &Account, stopped: CancellationToken) -> Option<QuotaUsage> {
    match count(account, move || !stopped.is_cancelled()).await {
        Ok(usage) => Some(usage),
        Err(fault) => {
            tracing::warn!(sender = "sftpd", username = %account.username, error = %fault, "quota scan failed");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use ferryd_control_plane::fake::FakeControlPlane;

    use super::*;

    #[tokio::test]
    async fn a_scan_stops_with_its_owner() {
        let scans = QuotaScans::default();
        let stopped = scans.stopped.clone();
        let home = tempfile::tempdir().unwrap();
        let account =
            Account { home_dir: home.path().to_str().unwrap().to_owned(), ..Account::default() };
        assert_eq!(usage_of(&account, stopped.clone()).await, Some(QuotaUsage::default()));
        drop(scans);
        assert!(stopped.is_cancelled());
    }

    #[tokio::test]
    async fn scans_that_have_ended_are_forgotten() {
        let mut scans = QuotaScans::default();
        for _ in 0..3 {
            let control = FakeControlPlane::new();
            scans.start(control, ScanId("s".into()), Box::default());
            while scans.running.len() > 1 {
                scans.running.join_next().await;
            }
        }
        assert!(scans.running.join_next().await.is_some() && scans.running.is_empty());
    }
}
