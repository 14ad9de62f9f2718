//! The accounts whose counters may differ from what is stored.

use std::collections::HashSet;

use ferryd_domain::Username;
use parking_lot::Mutex;

/// A set of accounts.
#[derive(Debug, Default)]
pub struct Doubts(Mutex<HashSet<Username>>);

impl Doubts {
    /// Adds an account.
    pub fn add(&self, username: &Username) {
        self.0.lock().insert(username.clone());
    }

    /// Removes an account.
    pub fn remove(&self, username: &Username) {
        self.0.lock().remove(username);
    }

    /// Tells whether an account is in doubt.
    pub fn has(&self, username: &Username) -> bool {
        self.0.lock().contains(username)
    }

    /// Returns all of them.
    pub fn all(&self) -> Vec<Username> {
        self.0.lock().iter().cloned().collect()
    }
}
