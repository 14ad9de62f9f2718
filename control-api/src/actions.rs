//! Tells programs and HTTP services what happened to files and accounts. Nobody waits for them,
//! and neither kind of receiver waits for the other; queues and work at once are bounded.

mod command;
mod http;
mod queue;
mod report;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ferryd_data_provider::ActionsConfig;
use ferryd_domain::{AccountAction, AccountEvent, Fault, FileAction, FileEvent};
use futures::future::join_all;
use parking_lot::Mutex;

use crate::accounts::AccountListener;
use crate::programs::Programs;
use crate::quota::Recent;
use command::CommandReceiver;
use http::HttpReceiver;
use queue::{Queue, Receiver};

/// Programs at once for each kind of event.
const PROGRAMS: usize = 32;
/// Requests at once for each kind of event.
const REQUESTS: usize = 32;
/// Events that are recognized when they are sent again, at least.
const REMEMBERED: usize = 28_672;

/// Where events go.
#[derive(Debug)]
pub struct Actions {
    files: Receivers<FileEvent>,
    file_actions: HashSet<FileAction>,
    accounts: Receivers<AccountEvent>,
    account_actions: HashSet<AccountAction>,
    handled: Mutex<Recent>,
}

/// The queues of one kind of event.
#[derive(Debug)]
struct Receivers<E>(Vec<Queue<E>>);

impl Actions {
    /// Starts the receivers of file events (`sftpd.actions`) and of account events
    /// (`data_provider.actions`). Must be called within a runtime. A receiver that cannot work is
    /// warned about and left out.
    pub fn start(files: &ActionsConfig, accounts: &ActionsConfig) -> Self {
        Self {
            file_actions: known("sftpd", &files.execute_on, FileAction::from_name),
            files: Receivers::start("sftpd", files),
            account_actions: known("data_provider", &accounts.execute_on, AccountAction::from_name),
            accounts: Receivers::start("data_provider", accounts),
            handled: Mutex::new(Recent::new(REMEMBERED)),
        }
    }

    /// Takes a file event; one that was taken before is taken once.
    ///
    /// # Errors
    /// `Unavailable` when too many wait; nothing was taken then.
    pub fn file_changed(&self, event: FileEvent) -> Result<(), Fault> {
        if !self.file_actions.contains(&event.action) {
            return Ok(());
        }
        let mut handled = self.handled.lock();
        if handled.contains(&event.id) {
            return Ok(());
        }
        let id = event.id.clone();
        self.files.put(&Arc::new(event))?;
        handled.insert(&id);
        Ok(())
    }

    /// Waits this long for what is queued, then gives up the rest and logs each event of it.
    pub async fn shutdown(&self, limit: Duration) {
        let files = join_all(self.files.0.iter().map(|queue| queue.shutdown(limit)));
        let accounts = join_all(self.accounts.0.iter().map(|queue| queue.shutdown(limit)));
        tokio::join!(files, accounts);
    }
}

impl AccountListener for Actions {
    /// Takes an account event. When too many wait it is dropped and logged.
    fn account_changed(&self, event: AccountEvent) {
        if !self.account_actions.contains(&event.action) {
            return;
        }
        let event = Arc::new(event);
        if self.accounts.put(&event).is_err() {
            self.accounts.0.iter().for_each(|queue| queue.drop_event(&event));
        }
    }
}

impl<E> Receivers<E>
where
    E: report::Event,
    CommandReceiver: Receiver<E>,
    HttpReceiver: Receiver<E>,
{
    fn start(section: &'static str, config: &ActionsConfig) -> Self {
        let mut queues = Vec::new();
        if config.execute_on.is_empty() {
            return Self(queues);
        }
        let warn = |fault: Fault| {
            tracing::warn!(sender = "actions", section, error = %fault, "an action is left out");
        };
        if !config.command.is_empty() {
            match CommandReceiver::new(&config.command, Programs::new(PROGRAMS)) {
                Ok(receiver) => queues.push(Queue::start(Arc::new(receiver), PROGRAMS)),
                Err(fault) => warn(fault),
            }
        }
        if !config.http_notification_url.is_empty() {
            match HttpReceiver::new(&config.http_notification_url) {
                Ok(receiver) => queues.push(Queue::start(Arc::new(receiver), REQUESTS)),
                Err(fault) => warn(fault),
            }
        }
        Self(queues)
    }

    /// Puts an event into every queue or into none.
    fn put(&self, event: &Arc<E>) -> Result<(), Fault> {
        let places: Result<Vec<_>, Fault> = self.0.iter().map(Queue::place).collect();
        for place in places? {
            place.put(Arc::clone(event));
        }
        Ok(())
    }
}

/// Returns the actions with these names; unknown names are warned about.
fn known<A: Eq + std::hash::Hash>(
    section: &'static str,
    names: &[String],
    parse: fn(&str) -> Option<A>,
) -> HashSet<A> {
    let mut actions = HashSet::new();
    for name in names {
        match parse(name) {
            Some(action) => {
                actions.insert(action);
            }
            None => tracing::warn!(sender = "actions", section, %name, "unknown action"),
        }
    }
    actions
}

#[cfg(test)]
mod tests;
