//! What lies between a good credential and a session: the account that was just looked at, so
//! that it is not read twice, and the time of the login, which is written behind.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::ConnectionId;
use ferryd_data_provider::DataProvider;
use ferryd_domain::{Account, Fault, Username};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long an account that was looked at may be used for the session that follows.
const FRESH: Duration = Duration::from_secs(10);
/// Accounts that are kept at once; beyond it they are read again.
const MAX_KEPT: usize = 4096;
/// How long the time of a login may wait for others before it is written.
const WRITE_DELAY: Duration = Duration::from_millis(200);
/// Pause after a store did not answer.
const RETRY_DELAY: Duration = Duration::from_secs(2);

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
    noted: Mutex<Noted>,
    /// Held by whoever writes.
    writing: tokio::sync::Mutex<()>,
    some: Notify,
}

/// The last login of each account.
#[derive(Debug, Default)]
struct Noted {
    waiting: HashMap<Username, i64>,
    /// What the store is being told; nobody knows yet whether it has it.
    underway: HashMap<Username, i64>,
}

impl LastLogins {
    /// Returns an empty set over a provider.
    pub(crate) fn new(provider: Arc<dyn DataProvider>) -> Self {
        Self {
            provider,
            noted: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            some: Notify::new(),
        }
    }

    /// Notes a login at a time in Unix milliseconds.
    pub(crate) fn note(&self, username: &Username, now: i64) {
        self.noted.lock().waiting.insert(username.clone(), now);
        self.some.notify_one();
    }

    /// Returns the times that the store may not have yet. Whoever shows accounts asks before it
    /// reads them, and shows the later time.
    pub(crate) fn noted(&self) -> HashMap<Username, i64> {
        let noted = self.noted.lock();
        let mut times = noted.underway.clone();
        times.extend(noted.waiting.iter().map(|(username, time)| (username.clone(), *time)));
        times
    }

    /// Writes what waits, one time for each account, in one transaction.
    ///
    /// # Errors
    /// `Unavailable`; then it goes on waiting.
    pub async fn flush(&self) -> Result<(), Fault> {
        let _writing = self.writing.lock().await;
        let logins = self.noted.lock().start();
        if logins.is_empty() {
            return Ok(());
        }
        let written = self.provider.record_logins(&logins).await;
        self.noted.lock().end(written.is_ok());
        written
    }

    /// Writes behind until the task is dropped.
    pub(crate) async fn write_behind(self: Arc<Self>) {
        loop {
            self.some.notified().await;
            tokio::time::sleep(WRITE_DELAY).await;
            while let Err(fault) = self.flush().await {
                tracing::warn!(sender = "control_plane", error = %fault, "last logins cannot be written, trying again");
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
    }
}

impl Noted {
    /// Returns what is to be written now. What an abandoned try has left is written as well.
    fn start(&mut self) -> Vec<(Username, i64)> {
        self.underway.extend(self.waiting.drain());
        self.underway.iter().map(|(username, time)| (username.clone(), *time)).collect()
    }

    fn end(&mut self, written: bool) {
        let underway = std::mem::take(&mut self.underway);
        if !written {
            for (username, time) in underway {
                self.waiting.entry(username).or_insert(time);
            }
        }
    }
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

    #[test]
    fn what_could_not_be_written_waits_unless_a_later_login_does() {
        let (bob, eve) = (Username::stored("bob"), Username::stored("eve"));
        let mut noted = Noted::default();
        noted.waiting.extend([(bob.clone(), 5), (eve.clone(), 6)]);
        assert_eq!(noted.start().len(), 2);
        noted.waiting.insert(bob.clone(), 9);
        noted.end(false);
        assert_eq!(noted.waiting, HashMap::from([(bob, 9), (eve, 6)]));
        noted.start();
        noted.end(true);
        assert!(noted.waiting.is_empty() && noted.underway.is_empty());
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
        assert_eq!(logins.noted().get(&bob), Some(&9));
        logins.flush().await.unwrap();
        assert_eq!(provider.user(&bob).await.unwrap().last_login, 9);
        assert!(logins.noted().is_empty());
    }
}
