//! Backup and restore of accounts.

use ferryd_data_provider::{Order, UserPage};
use ferryd_domain::{Account, AccountAction, Fault, FaultKind};
use tokio::sync::MutexGuard;

use super::Accounts;

/// Users in one step of a backup.
const PAGE: u32 = 500;

/// What a restore does with a user that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It is replaced.
    Replace,
    /// It is left alone.
    Keep,
}

/// What a restore did with a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It was added or replaced; the account as stored.
    Stored(Box<Account>),
    /// It was left alone.
    Kept,
}

impl Accounts {
    /// Stores a user of a backup; what only the server changes stays as it is.
    ///
    /// # Errors
    /// `PermissionDenied`, `InvalidInput`, `Unavailable`.
    pub async fn restore(&self, account: Account, existing: Existing) -> Result<Restored, Fault> {
        self.check_managed()?;
        let _held = self.locks.hold(&account.username).await;
        let (action, stored) = match self.find(&account.username).await {
            Ok(_) if existing == Existing::Keep => return Ok(Restored::Kept),
            Ok(before) => (AccountAction::Update, self.replace(account, before).await?),
            Err(fault) if fault.kind() == FaultKind::NotFound => {
                (AccountAction::Add, self.store_new(account).await?)
            }
            Err(fault) => return Err(fault),
        };
        self.tell(action, &stored);
        Ok(Restored::Stored(Box::new(stored)))
    }

    /// Starts a backup. Accounts do not change until it is dropped, so that none is missed.
    pub async fn backup(&self) -> Backup<'_> {
        let held = self.locks.hold_all().await;
        let page = UserPage { limit: PAGE, offset: 0, order: Order::Ascending, username: None };
        Backup { accounts: self, page, _held: held }
    }
}

/// A backup that is going on.
#[derive(Debug)]
pub struct Backup<'a> {
    accounts: &'a Accounts,
    page: UserPage,
    _held: Vec<MutexGuard<'a, ()>>,
}

impl Backup<'_> {
    /// Returns the next users with everything that a restore needs, on this server or another
    /// one; empty at the end.
    ///
    /// # Errors
    /// `Unavailable`; `Failed` when a stored secret cannot be read.
    pub async fn next_users(&mut self) -> Result<Vec<Account>, Fault> {
        let users = self.accounts.list(&self.page).await?;
        self.page.offset += u64::from(PAGE);
        let mut portable = Vec::with_capacity(users.len());
        for account in users {
            portable.push(self.accounts.vault.portable(account).await?);
        }
        Ok(portable)
    }
}
