//! Quota scans that the control plane has asked for. They end with their owner, the link to the
//! control plane: also in the middle of a directory.

use std::sync::Arc;

use ferryd_control_plane::{ScanId, ScanOutcome};
use ferryd_domain::{Account, QuotaUsage};
use ferryd_storage::open::count;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::context::NodeContext;

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
    pub fn start(&mut self, context: &Arc<NodeContext>, scan: ScanId, account: Box<Account>) {
        while self.running.try_join_next().is_some() {}
        let (context, stopped) = (Arc::clone(context), self.stopped.clone());
        self.running.spawn(async move {
            let usage = usage_of(&account, stopped).await;
            let username = account.username.clone();
            // What changed before the end of the scan must arrive before its result.
            context.files.outbox.all_told().await;
            let outcome = ScanOutcome { scan, username, usage };
            if let Err(fault) = context.control.finish_scan(outcome).await {
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
    use crate::config::SftpdConfig;
    use crate::key_exchange::offers::Offers;

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
        let config = SftpdConfig::default();
        let offers = Offers::build(&config, Vec::new()).unwrap();
        let context = NodeContext::of(config, offers, None, FakeControlPlane::new());
        let (context, mut scans) = (Arc::new(context), QuotaScans::default());
        for _ in 0..3 {
            scans.start(&context, ScanId("s".into()), Box::default());
            while scans.running.len() > 1 {
                scans.running.join_next().await;
            }
        }
        assert!(scans.running.join_next().await.is_some() && scans.running.is_empty());
    }
}
