//! The tries to log in of one connection: how many have failed, and whether one must come next.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::Notify;

/// The tries of a connection.
#[derive(Debug, Default)]
pub(crate) struct Tries {
    /// An odd number after a refusal, until the next try comes. Paramiko asks for the login service
    /// anew before each try after a refusal, which russh does not answer: without a notice it would
    /// wait for half a minute, and nobody would know why.
    turn: AtomicU32,
    failed: AtomicU32,
    over: Notify,
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

    /// Counts a try that failed, of as many as are allowed.
    pub fn count(&self, allowed: Option<u32>) {
        let failed = self.failed.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if allowed.is_some_and(|allowed| failed >= allowed) {
            self.over.notify_one();
        }
    }

    /// Returns, once for each, when a try has failed and no other is allowed.
    pub async fn used_up(&self) {
        self.over.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn the_last_failure_that_is_allowed_uses_the_tries_up() {
        let tries = Tries::default();
        tries.count(Some(2));
        assert!(tries.used_up().now_or_never().is_none());
        tries.count(Some(2));
        assert!(tries.used_up().now_or_never().is_some());
        let tries = Tries::default();
        (0..1000).for_each(|_| tries.count(None));
        assert!(tries.used_up().now_or_never().is_none());
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
