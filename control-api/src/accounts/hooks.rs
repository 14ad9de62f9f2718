//! Accounts that programs make or change during a login. No events; `manage_users` does not stop
//! them, since the program is the manager then.

use ferryd_domain::account::merge::merge;
use ferryd_domain::{Account, Fault, FaultKind, Username};

use super::Accounts;

impl Accounts {
    /// Stores what the external authentication answered: it replaces the record of that name, but
    /// for what only the server changes. Returns the account as stored.
    ///
    /// # Errors
    /// `InvalidInput` for an invalid account, `Unavailable`.
    pub async fn upsert_from_hook(&self, account: Account) -> Result<Account, Fault> {
        let _held = self.locks.hold(&account.username).await;
        match self.find(&account.username).await {
            Ok(before) => self.replace(account, before).await,
            Err(fault) if fault.kind() == FaultKind::NotFound => self.store_new(account).await,
            Err(fault) => Err(fault),
        }
    }

    /// Lays what the pre-login program answered over the user and returns it as stored.
    ///
    /// # Errors
    /// `InvalidInput` for invalid JSON or an invalid result, `NotFound`, `Unavailable`.
    pub async fn patch_from_hook(
        &self,
        username: &Username,
        body: &[u8],
    ) -> Result<Account, Fault> {
        let _held = self.locks.hold(username).await;
        let before = self.vault.with_stored_credentials(self.find(username).await?).await?;
        let changed = merge(&before, body)?;
        self.store_changed(changed, &before).await
    }

    pub(super) async fn replace(
        &self,
        mut account: Account,
        before: Account,
    ) -> Result<Account, Fault> {
        let before = self.vault.with_stored_credentials(before).await?;
        account.keep_server_fields_of(&before);
        self.store_changed(account, &before).await
    }
}
