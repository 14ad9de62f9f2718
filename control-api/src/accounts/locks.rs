//! One change of an account at a time, so that two merges cannot lose one another. Names share a
//! fixed number of locks.

use std::hash::{DefaultHasher, Hash, Hasher};

use ferryd_domain::Username;
use tokio::sync::{Mutex, MutexGuard};

const LOCKS: usize = 64;

/// One lock per account, made when it is needed.
#[derive(Debug)]
pub(super) struct NameLocks {
    shared: Mutex<()>,
    locks: [Mutex<()>; LOCKS],
}

impl Default for NameLocks {
    fn default() -> Self {
        Self { shared: Mutex::default(), locks: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl NameLocks {
    /// Waits until nobody else changes this account.
    pub(super) async fn hold(&self, username: &Username) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        username.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % LOCKS as u64).unwrap_or_default();
        // The index is always in range; the shared lock spares a panic in the type system's eyes.
        self.locks.get(index).unwrap_or(&self.shared).lock().await
    }

    /// Waits until nobody changes any account.
    pub(super) async fn hold_all(&self) -> Vec<MutexGuard<'_, ()>> {
        let mut held = vec![self.shared.lock().await];
        for lock in &self.locks {
            held.push(lock.lock().await);
        }
        held
    }
}
