//! Whether a try to log in must come next. Paramiko asks for the login service anew before each
//! try after a refusal, which russh does not answer: without a notice it would wait for half a
//! minute, and nobody would know why.

use std::sync::atomic::{AtomicU32, Ordering};

/// The tries of a connection: an odd number after a refusal, until the next try comes.
#[derive(Debug, Default)]
pub(crate) struct Tries(AtomicU32);

impl Tries {
    /// Notes that a try has come.
    pub fn come(&self) {
        self.0.fetch_add(self.0.load(Ordering::Relaxed) & 1, Ordering::Relaxed);
    }

    /// Notes that the client was refused.
    pub fn refused(&self) {
        self.0.fetch_or(1, Ordering::Relaxed);
    }

    /// Returns the number of the refusal after which nothing but a try makes sense.
    pub fn expected(&self) -> Option<u32> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| number & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
