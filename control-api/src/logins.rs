//! What lies between a good credential and a session: the account that was just looked at, so
//! that it is not read twice, and the time of the login, which is written behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::ConnectionId;
use ferryd_data_provider::DataProvider;
use ferryd_domain::{Account, Fault, FaultKind, Username};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long an account that was looked at may be used for the session that follows.
const FRESH: Duration = Duration::from_secs(10);
/// Accounts that are kept at once; beyond it they are read again.
const MAX_KEPT: usize = 4096;
/// How long the time of a login may wait for others before it is written.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// Accounts whose credential was good a moment ago, by connection.
#[derive(Debug, Default)]
pub(crate) struct FreshAccounts(Mutex<HashMap<ConnectionId, (Instant, Account)>>);

impl FreshAccounts {
    /// Keeps an account for the session that follows.
    pub(crate) fn keep(&self, connection: &ConnectionId, account: &Account) {
        let mut kept = self.0.lock();
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, (since, _)| since.elapsed() < FRESH);
        }
        if kept.len() < MAX_KEPT {
            kept.insert(connection.clone(), (Instant::now(), account.clone()));
        }
    }

    /// Takes the account of a connection, when it is fresh and of this name.
    pub(crate) fn take(&self, connection: &ConnectionId, username: &Username) -> Option<Account> {
        let (since, account) = self.0.lock().remove(connection)?;
        (since.elapsed() < FRESH && account.username == *username).then_some(account)
    }

    /// Forgets what is not fresh any more.
    pub(crate) fn sweep(&self) {
        self.0.lock().retain(|_, (since, _)| since.elapsed() < FRESH);
    }
}

/// Times of logins that are not written yet.
#[derive(Debug)]
pub struct LastLogins {
    provider: Arc<dyn DataProvider>,
    waiting: Mutex<HashMap<Username, i64>>,
    some: Notify,
}

impl LastLogins {
    /// Returns an empty set over a provider.
    pub(crate) fn new(provider: Arc<dyn DataProvider>) -> Self {
        Self { provider, waiting: Mutex::default(), some: Notify::new() }
    }

    /// Notes a login at a time in Unix milliseconds.
    pub(crate) fn note(&self, username: &Username, now: i64) {
        self.waiting.lock().insert(username.clone(), now);
        self.some.notify_one();
    }

    /// Writes what waits. A time that cannot be written is logged and given up: no login is
    /// refused for it.
    pub async fn flush(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for (username, time) in waiting {
            match self.provider.record_login(&username, time).await {
                Err(fault) if fault.kind() != FaultKind::NotFound => log(&username, &fault),
                _ => {}
            }
        }
    }

    /// Writes behind until the task is dropped.
    pub(crate) async fn write_behind(self: Arc<Self>) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(WRITE_DELAY).await;
            self.flush().await;
        }
    }
}

fn log(username: &Username, fault: &Fault) {
    tracing::warn!(sender = "control_plane", %username, error = %fault, "last login cannot be written");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ferryd_data_provider::{DataProviderConfig, MemoryProvider};

    use super::*;

    fn account(name: &str) -> Account {
        Account { username: Username::stored(name), ..Account::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_used_once_by_its_own_name_and_only_while_fresh() {
        let kept = FreshAccounts::default();
        let connection = ConnectionId("c".into());
        let bob = Username::stored("bob");
        kept.keep(&connection, &account("bob"));
        assert!(kept.take(&connection, &bob).is_some());
        assert!(kept.take(&connection, &bob).is_none());
        kept.keep(&connection, &account("bob"));
        assert!(kept.take(&connection, &Username::stored("Bob")).is_none());
        kept.keep(&connection, &account("bob"));
        tokio::time::advance(FRESH).await;
        assert!(kept.take(&connection, &bob).is_none());
    }

    #[tokio::test]
    async fn the_latest_login_is_written() {
        let config = DataProviderConfig { name: String::new(), ..DataProviderConfig::default() };
        let provider: Arc<dyn DataProvider> =
            Arc::new(MemoryProvider::open(&config, Path::new("/")).await.unwrap());
        provider.add_user(&account("bob")).await.unwrap();
        let logins = LastLogins::new(Arc::clone(&provider));
        let bob = Username::stored("bob");
        logins.note(&bob, 5);
        logins.note(&bob, 9);
        logins.note(&Username::stored("gone"), 7);
        logins.flush().await;
        assert_eq!(provider.user(&bob).await.unwrap().last_login, 9);
    }
}
