//! Who is told of changed accounts.

use std::fmt;

use ferryd_domain::{Account, AccountAction, AccountEvent, EventId};

/// Is told of every account that was added, updated or deleted on request.
pub trait AccountListener: fmt::Debug + Send + Sync + 'static {
    /// Takes the event and returns at once.
    fn account_changed(&self, event: AccountEvent);
}

pub(super) fn event(action: AccountAction, account: &Account) -> AccountEvent {
    let id = EventId(uuid::Uuid::new_v4().simple().to_string());
    AccountEvent { id, action, account: account.clone() }
}
