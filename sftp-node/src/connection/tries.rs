//! The tries to log in of one connection: how many have failed, and whether one must come next.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The tries of a connection.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// An odd number after a refusal, until the next try comes. Paramiko asks for the login service
    /// anew before each try after a refusal, which russh does not answer: without a notice it would
    /// wait for half a minute, and nobody would know why.
    turn: AtomicU32,
    failed: AtomicU32,
    over: AtomicBool,
}

impl Tries {
    /// Notes that a try has come.
    pub fn come(&self) {
        self.turn.fetch_add(self.turn.load(Ordering::Relaxed) & 1, Ordering::Relaxed);
    }

    /// Notes that the client was refused and has to try again itself.
    pub fn refused(&self) {
        self.turn.fetch_or(1, Ordering::Relaxed);
    }

    /// Returns the number of the refusal after which nothing but a try makes sense.
    pub fn expected(&self) -> Option<u32> {
        Some(self.turn.load(Ordering::Relaxed)).filter(|number| number & 1 == 1)
    }

    /// Counts a try that failed, of as many as may fail.
    pub fn count(&self, allowed: Option<u32>) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if allowed.is_some_and(|allowed| failed >= allowed) {
            self.over.store(true, Ordering::Relaxed);
        }
    }

    /// Tells whether no other try is allowed.
    pub fn are_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_failure_that_is_allowed_uses_the_tries_up() {
        let tries = Tries::default();
        tries.count(Some(2));
        assert!(!tries.are_over());
        tries.count(Some(2));
        assert!(tries.are_over());
        let tries = Tries::default();
        (0..1000).for_each(|_| tries.count(None));
        assert!(!tries.are_over());
    }

    #[test]
    fn each_refusal_is_followed_by_a_try_of_its_own() {
        let tries = Tries::default();
        assert_eq!(tries.expected(), None);
        tries.come();
        tries.refused();
        let first = tries.expected();
        assert!(first.is_some());
        tries.refused();
        assert_eq!(tries.expected(), first);
        tries.come();
        assert_eq!(tries.expected(), None);
        tries.refused();
        assert!(tries.expected().is_some() && tries.expected() != first);
    }
}
