//! Tells a node that has started where an earlier run may have left temporary upload files: in
//! the directories of every account that logged in lately. Nodes have the disks, the control
//! plane knows the accounts. Slow on purpose, and never in the way of other commands.

use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::{NodeCommand, NodeId};
use ferryd_data_provider::{Order, UserPage};
use ferryd_domain::{Account, Fault, StorageProvider};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use crate::accounts::Accounts;
use crate::nodes::{Nodes, Offer};

/// Who has not logged in for so long has no unfinished upload of the last run.
const LATELY_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Accounts read at once.
const PAGE: u32 = 500;
/// Between two commands.
const PACE: Duration = Duration::from_millis(5);

/// The tours that are under way, one per node that has started.
#[derive(Debug)]
pub struct UploadSweeps {
    nodes: Arc<Nodes>,
    accounts: Arc<Accounts>,
    tours: Mutex<JoinSet<()>>,
}

impl UploadSweeps {
    /// Returns no tours.
    pub fn new(nodes: Arc<Nodes>, accounts: Arc<Accounts>) -> Self {
        Self { nodes, accounts, tours: Mutex::default() }
    }

    /// Starts telling an attached node; must be called within a runtime.
    pub fn start(&self, node: NodeId) {
        let (nodes, accounts) = (Arc::clone(&self.nodes), Arc::clone(&self.accounts));
        let mut tours = self.tours.lock();
        while tours.try_join_next().is_some() {}
        tours.spawn(async move {
            if let Err(fault) = tell_all(&nodes, &accounts, &node).await {
                tracing::warn!(
                    sender = "upload_sweeps", node = %node.0, error = %fault,
                    "a node was not told of all accounts"
                );
            }
        });
    }
}

/// Tells of one account after the other; ends early when the node goes away.
async fn tell_all(nodes: &Nodes, accounts: &Accounts, node: &NodeId) -> Result<(), Fault> {
    let since = crate::clock::now_ms().saturating_sub(LATELY_MS);
    let mut page = UserPage { limit: PAGE, order: Order::Ascending, ..UserPage::default() };
    loop {
        let found = accounts.list(&page).await?;
        let count = found.len();
        for account in found.into_iter().filter(|account| matters(account, since)) {
            if !tell(nodes, node, &directories_of(account)).await {
                return Ok(());
            }
        }
        if count < PAGE as usize {
            return Ok(());
        }
        page.offset = page.offset.saturating_add(count as u64);
    }
}

/// A login may be too fresh to be written, or never be written at all.
fn matters(account: &Account, since: i64) -> bool {
    account.filesystem.provider == StorageProvider::Local
        && (account.last_login == 0 || account.last_login >= since)
}

/// Leaves out what the node does not need: passwords, keys, rules.
fn directories_of(account: Account) -> Account {
    Account {
        username: account.username,
        home_dir: account.home_dir,
        virtual_folders: account.virtual_folders,
        ..Account::default()
    }
}

/// Returns whether the node is still there.
async fn tell(nodes: &Nodes, node: &NodeId, account: &Account) -> bool {
    loop {
        let account = Box::new(account.clone());
        let offer = nodes.offer(node, NodeCommand::SweepUploads { account });
        tokio::time::sleep(PACE).await;
        match offer {
            Offer::Taken => return true,
            Offer::Busy => {}
            Offer::Gone => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_that_logged_in_lately_or_at_an_unknown_time_matter() {
        for (last_login, expected) in [(0, true), (999, false), (1000, true), (5000, true)] {
            let account = Account { last_login, ..Account::default() };
            assert_eq!(matters(&account, 1000), expected, "{last_login}");
        }
        let mut account = Account::default();
        account.filesystem.provider = StorageProvider::S3;
        assert!(!matters(&account, 0));
    }

    #[test]
    fn a_node_is_told_directories_and_no_secrets() {
        let account = Account {
            home_dir: "/srv/bob".into(),
            password: ferryd_domain::Secret::from("secret".to_owned()),
            public_keys: vec!["ssh-ed25519 AAAA".into()],
            ..Account::default()
        };
        let told = directories_of(account);
        assert_eq!(told, Account { home_dir: "/srv/bob".into(), ..Account::default() });
    }
}
