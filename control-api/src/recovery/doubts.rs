//! The accounts whose counters may differ from what is stored.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ferryd_domain::Username;

/// A set of accounts.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<HashSet<Username>>);

impl Doubts {
    /// Adds an account.
    pub fn add(&self, username: &Username) {
        self.set().insert(username.clone());
    }

    /// Removes an account.
    pub fn remove(&self, username: &Username) {
        self.set().remove(username);
    }

    /// Tells whether an account is in doubt.
    pub fn has(&self, username: &Username) -> bool {
        self.set().contains(username)
    }

    /// Returns all of them.
    pub fn all(&self) -> Vec<Username> {
        self.set().iter().cloned().collect()
    }

    fn set(&self) -> MutexGuard<'_, HashSet<Username>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
