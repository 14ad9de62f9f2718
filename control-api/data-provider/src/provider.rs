//! The trait of a data provider.

use std::fmt;

use async_trait::async_trait;
use ferryd_domain::{Account, Fault, QuotaUsage, Username};

/// Order of a list of users, by name in byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// From `a` on.
    #[default]
    Ascending,
    /// From `z` on.
    Descending,
}

/// Which users to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPage {
    /// At most this many.
    pub limit: u32,
    /// Skip this many.
    pub offset: u64,
    /// By name.
    pub order: Order,
    /// Only this user.
    pub username: Option<Username>,
}

/// A change of the usage counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaChange {
    /// Adds to both counters; neither falls below zero.
    Add {
        /// Bytes.
        size: i64,
        /// Files.
        files: i64,
    },
    /// Replaces both counters.
    Set(QuotaUsage),
}

/// The turn to change counters.
#[async_trait]
pub trait QuotaTurn: Send {
    /// Changes the counters of several users in one transaction and sets `last_quota_update`
    /// (Unix milliseconds). Unknown users are skipped. Waits for nobody.
    ///
    /// # Errors
    /// `Unavailable`; then nothing was changed.
    async fn change(
        self: Box<Self>,
        changes: &[(Username, QuotaChange)],
        now: i64,
    ) -> Result<(), Fault>;
}

/// A store of accounts. The same requests give the same answers on every provider.
#[async_trait]
pub trait DataProvider: fmt::Debug + Send + Sync + 'static {
    /// Returns the name for logs, e.g. `sqlite`.
    fn name(&self) -> &'static str;

    /// Checks that the store answers.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn check(&self) -> Result<(), Fault>;

    /// Returns the user with this name, hash included.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn user(&self, username: &Username) -> Result<Account, Fault>;

    /// Returns the user with this id, hash included.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn user_by_id(&self, id: i64) -> Result<Account, Fault>;

    /// Returns a page of users, hashes included.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn users(&self, page: &UserPage) -> Result<Vec<Account>, Fault>;

    /// Stores a new user and returns it with its id. Counters and last login are taken as given.
    ///
    /// # Errors
    /// `AlreadyExists` for a taken name, `Unavailable`.
    async fn add_user(&self, account: &Account) -> Result<Account, Fault>;

    /// Replaces the user with this id, but for its name, counters and last login.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn update_user(&self, account: &Account) -> Result<(), Fault>;

    /// Removes the user with this id.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn delete_user(&self, id: i64) -> Result<(), Fault>;

    /// Sets `last_login` of several users, in Unix milliseconds, in one transaction; an earlier time
    /// than the stored one changes nothing. Unknown users are skipped.
    ///
    /// # Errors
    /// `Unavailable`; then nothing was changed.
    async fn record_logins(&self, logins: &[(Username, i64)]) -> Result<(), Fault>;

    /// Returns the usage counters.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    async fn quota(&self, username: &Username) -> Result<QuotaUsage, Fault>;

    /// Waits for the turn to change counters: another program may hold the store for long. Reads
    /// go on meanwhile, and nobody else changes anything until the turn ends.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn quota_turn(&self) -> Result<Box<dyn QuotaTurn + '_>, Fault>;

    /// Waits for the turn and changes counters.
    ///
    /// # Errors
    /// `Unavailable`; then nothing was changed.
    async fn change_quotas(
        &self,
        changes: &[(Username, QuotaChange)],
        now: i64,
    ) -> Result<(), Fault> {
        self.quota_turn().await?.change(changes, now).await
    }

    /// Reads the users again from where they come from, if that can change behind our back.
    ///
    /// # Errors
    /// `InvalidInput`; then the users are as they were.
    async fn reload(&self) -> Result<(), Fault>;

    /// Ends the use of the store in order, so that nothing but the store itself is left behind.
    /// Whoever asks it afterwards gets a fault.
    async fn close(&self) {}
}
