//! Accounts: the rules for making, changing and removing them, over a data provider.
//! REST, logins and restores come here; nobody else writes accounts to the provider.

pub mod events;
mod hooks;
mod locks;
mod prepare;
mod restore;
pub mod vault;
mod versions;

use std::path::Path;
use std::sync::Arc;

use ferryd_data_provider::{DataProvider, DataProviderConfig, Driver, UserPage};
use ferryd_domain::account::json::{parse_account, parse_object};
use ferryd_domain::account::merge::merge;
use ferryd_domain::{Account, AccountAction, Fault, FaultKind, Username};

pub use events::AccountListener;
use locks::NameLocks;
pub use restore::{Existing, Restored};
use vault::Vault;
use versions::Versions;

/// The accounts of a provider.
#[derive(Debug)]
pub struct Accounts {
    provider: Arc<dyn DataProvider>,
    config: DataProviderConfig,
    listener: Arc<dyn AccountListener>,
    vault: Vault,
    locks: NameLocks,
    versions: Versions,
}

impl Accounts {
    /// Returns the accounts of a provider; the listener is told of every change by REST.
    pub fn new(
        provider: Arc<dyn DataProvider>,
        config: &DataProviderConfig,
        config_dir: &Path,
        listener: Arc<dyn AccountListener>,
    ) -> Self {
        Self {
            provider,
            config: config.clone(),
            listener,
            vault: Vault::new(config, config_dir),
            locks: NameLocks::default(),
            versions: Versions::default(),
        }
    }

    /// Makes ready what accounts need beside the store. Called once, before anything else.
    ///
    /// # Errors
    /// `Failed` when the folder of credentials cannot be made.
    pub async fn start(&self) -> Result<(), Fault> {
        self.vault.start().await?;
        if self.config.driver()? == Driver::Memory { self.adopt_loaded().await } else { Ok(()) }
    }

    /// Checks that the store answers.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn check(&self) -> Result<(), Fault> {
        self.provider.check().await
    }

    /// Returns the user with this name as it is stored, hash included.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn find(&self, username: &Username) -> Result<Account, Fault> {
        self.provider.user(username).await
    }

    /// Returns the user with this id as it is stored, hash included.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn get(&self, id: i64) -> Result<Account, Fault> {
        self.provider.user_by_id(id).await
    }

    /// Returns a page of users as they are stored, hashes included.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, page: &UserPage) -> Result<Vec<Account>, Fault> {
        self.provider.users(page).await
    }

    /// Returns a number that rises with each change of this account in this process.
    pub fn version(&self, username: &Username) -> u64 {
        self.versions.of(username)
    }

    /// Returns an account with its cloud secrets in clear, for the node that serves it.
    ///
    /// # Errors
    /// `Failed` when a stored secret cannot be read.
    pub async fn with_clear_secrets(&self, account: Account) -> Result<Account, Fault> {
        self.vault.reveal(account).await
    }

    /// Makes a user from a request body and returns it as stored.
    ///
    /// # Errors
    /// `PermissionDenied` when users are not managed, `InvalidInput`, `AlreadyExists`.
    pub async fn add(&self, body: &[u8]) -> Result<Account, Fault> {
        self.check_managed()?;
        let account = parse_account(body)?;
        let _held = self.locks.hold(&account.username).await;
        let stored = self.store_new(account).await?;
        self.tell(AccountAction::Add, &stored);
        Ok(stored)
    }

    /// Lays a request body over the user with this id.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`, `InvalidInput`; then nothing was changed.
    pub async fn update(&self, id: i64, body: &[u8]) -> Result<(), Fault> {
        self.check_managed()?;
        check_body_id(id, body)?;
        let username = self.get(id).await?.username;
        let _held = self.locks.hold(&username).await;
        let before = self.vault.with_stored_credentials(self.get(id).await?).await?;
        let changed = merge(&before, body)?;
        let stored = self.store_changed(changed, &before).await?;
        self.tell(AccountAction::Update, &stored);
        Ok(())
    }

    /// Removes the user with this id; its files stay.
    ///
    /// # Errors
    /// `PermissionDenied`, `NotFound`.
    pub async fn delete(&self, id: i64) -> Result<(), Fault> {
        self.check_managed()?;
        let username = self.get(id).await?.username;
        let _held = self.locks.hold(&username).await;
        let before = self.get(id).await?;
        self.provider.delete_user(id).await?;
        self.versions.rise(&before.username);
        self.vault.forget(&before).await;
        self.tell(AccountAction::Delete, &before);
        Ok(())
    }

    /// Reads the users again from where they come from, if that can change behind our back.
    ///
    /// # Errors
    /// `InvalidInput`; then the users are as they were.
    pub async fn reload(&self) -> Result<(), Fault> {
        self.provider.reload().await?;
        if self.config.driver()? != Driver::Memory {
            return Ok(());
        }
        self.versions.rise_all();
        self.adopt_loaded().await
    }

    /// Tells whether accounts may be changed.
    pub fn is_managed(&self) -> bool {
        self.config.manage_users != 0
    }

    fn check_managed(&self) -> Result<(), Fault> {
        if self.is_managed() {
            return Ok(());
        }
        Err(Fault::new(FaultKind::PermissionDenied, "user management is disabled"))
    }

    /// The name is looked up first: preparing writes the credentials of that name.
    async fn store_new(&self, mut account: Account) -> Result<Account, Fault> {
        match self.find(&account.username).await {
            Err(fault) if fault.kind() == FaultKind::NotFound => {}
            Err(fault) => return Err(fault),
            Ok(_) => return Err(Fault::new(FaultKind::AlreadyExists, "username is already taken")),
        }
        account.keep_server_fields_of(&Account::default());
        let prepared = self.prepared(account, None).await?;
        let stored = self.provider.add_user(&prepared).await?;
        self.versions.rise(&stored.username);
        Ok(stored)
    }

    async fn store_changed(&self, changed: Account, before: &Account) -> Result<Account, Fault> {
        let prepared = self.prepared(changed, Some(before)).await?;
        self.provider.update_user(&prepared).await?;
        self.versions.rise(&prepared.username);
        Ok(prepared)
    }

    fn tell(&self, action: AccountAction, account: &Account) {
        self.listener.account_changed(events::event(action, account));
    }
}

/// A body may name its id, but not another one than the path.
fn check_body_id(id: i64, body: &[u8]) -> Result<(), Fault> {
    match parse_object(body)?.get("id") {
        None | Some(serde_json::Value::Null) => Ok(()),
        Some(value) if value.as_i64() == Some(id) => Ok(()),
        Some(_) => Err(Fault::invalid("user id in request body does not match user id in path")),
    }
}

#[cfg(test)]
mod tests;
