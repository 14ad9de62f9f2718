//! Accounts in memory, loaded from a dump at the start and again on demand. The file is never
//! written; usage and last login start at zero.

mod load;
mod table;

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ferryd_domain::{Account, Fault, QuotaUsage, Username};
use parking_lot::Mutex;

use crate::{DataProvider, DataProviderConfig, QuotaChange, QuotaTurn, UserPage};
use table::Table;

/// Accounts in memory.
#[derive(Debug)]
pub struct MemoryProvider {
    config: DataProviderConfig,
    dump: Option<PathBuf>,
    table: Mutex<Table>,
}

impl MemoryProvider {
    /// Returns a provider with the users of the dump; without a `name` there are none.
    ///
    /// # Errors
    /// `InvalidInput` for a dump that is missing, empty, too large or holds an invalid user.
    pub async fn open(config: &DataProviderConfig, config_dir: &Path) -> Result<Self, Fault> {
        let dump = (!config.name.is_empty()).then(|| config_dir.join(&config.name));
        let provider = Self { config: config.clone(), dump, table: Mutex::default() };
        provider.reload().await?;
        Ok(provider)
    }
}

#[async_trait]
impl DataProvider for MemoryProvider {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn check(&self) -> Result<(), Fault> {
        Ok(())
    }

    async fn user(&self, username: &Username) -> Result<Account, Fault> {
        self.table.lock().user(username).cloned()
    }

    async fn user_by_id(&self, id: i64) -> Result<Account, Fault> {
        self.table.lock().user_by_id(id).cloned()
    }

    async fn users(&self, page: &UserPage) -> Result<Vec<Account>, Fault> {
        Ok(self.table.lock().page(page))
    }

    async fn add_user(&self, account: &Account) -> Result<Account, Fault> {
        self.table.lock().add(account)
    }

    async fn update_user(&self, account: &Account) -> Result<(), Fault> {
        self.table.lock().update(account)
    }

    async fn delete_user(&self, id: i64) -> Result<(), Fault> {
        self.table.lock().delete(id)
    }

    async fn record_logins(&self, logins: &[(Username, i64)]) -> Result<(), Fault> {
        self.table.lock().record_logins(logins);
        Ok(())
    }

    async fn quota(&self, username: &Username) -> Result<QuotaUsage, Fault> {
        self.table.lock().user(username).map(Account::quota_usage)
    }

    async fn quota_turn(&self) -> Result<Box<dyn QuotaTurn + '_>, Fault> {
        Ok(Box::new(Turn(self)))
    }

    async fn reload(&self) -> Result<(), Fault> {
        let Some(file) = &self.dump else { return Ok(()) };
        let users = load::users(file, &self.config).await?;
        self.table.lock().replace_all(users);
        Ok(())
    }
}

/// It is always the turn of whoever asks.
struct Turn<'a>(&'a MemoryProvider);

#[async_trait]
impl QuotaTurn for Turn<'_> {
    async fn change(
        self: Box<Self>,
        changes: &[(Username, QuotaChange)],
        now: i64,
    ) -> Result<(), Fault> {
        self.0.table.lock().change_quotas(changes, now);
        Ok(())
    }
}
