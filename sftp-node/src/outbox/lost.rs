//! The accounts of usage changes that were lost, until the control plane knows that they are to be
//! counted anew. One entry per account.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use ferryd_control_plane::{Certainty, TransferId, UsageChange};
use ferryd_domain::Username;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// Accounts that are remembered; a node serves fewer at a time.
const MOST: usize = 1 << 18;

/// Whose changes were lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    accounts: Mutex<HashMap<Username, TransferId>>,
    /// Those that were noted or are being told.
    count: AtomicUsize,
    noted: Notify,
}

impl Lost {
    /// Notes the account of a change.
    pub fn note(&self, change: &UsageChange) {
        let mut accounts = self.accounts.lock();
        if accounts.len() < MOST || accounts.contains_key(&change.username) {
            accounts.insert(change.username.clone(), change.transfer.clone());
            self.count.store(accounts.len(), Ordering::Release);
            self.noted.notify_one();
        }
    }

    /// Waits until there is something to tell.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    /// Takes what is to be told: a change of nothing, in doubt, per account.
    pub fn take(&self) -> Vec<UsageChange> {
        let accounts = std::mem::take(&mut *self.accounts.lock());
        accounts.into_iter().map(|(username, transfer)| doubt(username, transfer)).collect()
    }

    /// Returns how many accounts have still to be told.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Notes that what was taken has been told.
    pub fn told(&self) {
        self.count.store(self.accounts.lock().len(), Ordering::Release);
    }
}

fn doubt(username: Username, transfer: TransferId) -> UsageChange {
    UsageChange { transfer, username, size: 0, files: 0, certainty: Certainty::Doubtful }
}
