//! The accounts by name and by id. Plain data; the lock is the provider's.

use std::collections::{BTreeMap, HashMap};

use ferryd_domain::{Account, Fault, FaultKind, QuotaUsage, Username};

use crate::{Order, QuotaChange, UserPage};

/// Accounts by name, and their names by id.
#[derive(Debug, Default)]
pub(super) struct Table {
    users: BTreeMap<Username, Account>,
    names: HashMap<i64, Username>,
    last_id: i64,
}

fn no_user() -> Fault {
    Fault::not_found("user does not exist")
}

impl Table {
    pub(super) fn user(&self, username: &Username) -> Result<&Account, Fault> {
        self.users.get(username).ok_or_else(no_user)
    }

    pub(super) fn user_mut(&mut self, username: &Username) -> Result<&mut Account, Fault> {
        self.users.get_mut(username).ok_or_else(no_user)
    }

    pub(super) fn user_by_id(&self, id: i64) -> Result<&Account, Fault> {
        self.user(self.names.get(&id).ok_or_else(no_user)?)
    }

    pub(super) fn page(&self, page: &UserPage) -> Vec<Account> {
        let offset = usize::try_from(page.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(page.limit).unwrap_or(usize::MAX);
        let pick = |users: &mut dyn Iterator<Item = &Account>| {
            users.skip(offset).take(limit).cloned().collect()
        };
        match (&page.username, page.order) {
            (Some(username), _) => pick(&mut self.users.get(username).into_iter()),
            (None, Order::Ascending) => pick(&mut self.users.values()),
            (None, Order::Descending) => pick(&mut self.users.values().rev()),
        }
    }

    pub(super) fn add(&mut self, account: &Account) -> Result<Account, Fault> {
        if self.users.contains_key(&account.username) {
            return Err(Fault::new(FaultKind::AlreadyExists, "username is already taken"));
        }
        self.last_id += 1;
        let stored = Account { id: self.last_id, ..account.clone() };
        self.put(stored.clone());
        Ok(stored)
    }

    fn put(&mut self, account: Account) {
        self.names.insert(account.id, account.username.clone());
        self.users.insert(account.username.clone(), account);
    }

    pub(super) fn update(&mut self, account: &Account) -> Result<(), Fault> {
        let username = self.names.get(&account.id).ok_or_else(no_user)?.clone();
        let stored = self.user_mut(&username)?;
        let mut changed = account.clone();
        changed.keep_server_fields_of(stored);
        changed.username = username;
        *stored = changed;
        Ok(())
    }

    pub(super) fn delete(&mut self, id: i64) -> Result<(), Fault> {
        let username = self.names.remove(&id).ok_or_else(no_user)?;
        self.users.remove(&username).map(|_| ()).ok_or_else(no_user)
    }

    pub(super) fn record_logins(&mut self, logins: &[(Username, i64)]) {
        for (username, time) in logins {
            if let Some(account) = self.users.get_mut(username) {
                account.last_login = account.last_login.max(*time);
            }
        }
    }

    pub(super) fn change_quotas(&mut self, changes: &[(Username, QuotaChange)], now: i64) {
        for (username, change) in changes {
            let Some(account) = self.users.get_mut(username) else { continue };
            let usage = match *change {
                QuotaChange::Add { size, files } => account.quota_usage().changed_by(size, files),
                QuotaChange::Set(usage) => {
                    QuotaUsage { size: usage.size.max(0), files: usage.files.max(0) }
                }
            };
            account.used_quota_size = usage.size;
            account.used_quota_files = usage.files;
            account.last_quota_update = now;
        }
    }

    /// Replaces everything; users that were there before keep their ids.
    pub(super) fn replace_all(&mut self, users: Vec<Account>) {
        let before = std::mem::take(&mut self.users);
        self.names.clear();
        for mut account in users {
            account.id = match before.get(&account.username) {
                Some(known) => known.id,
                None => {
                    self.last_id += 1;
                    self.last_id
                }
            };
            self.put(account);
        }
    }
}
