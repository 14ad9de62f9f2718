//! Memory that waiting requests and replies may take: per channel, and over all channels.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that one channel may have waiting: 300,000 READ requests of a 10 GB file fit.
const PER_CHANNEL: usize = 24 << 20;

/// What all channels together may take.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    /// Returns a budget of this many bytes.
    pub const fn new(limit: usize) -> Self {
        Self { limit, used: AtomicUsize::new(0) }
    }

    /// Returns what is taken now.
    #[cfg(any(test, feature = "testkit"))]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

/// What one channel takes; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    used: usize,
}

/// The budget is used up; the channel has to end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Share {
    /// Returns an empty share.
    pub fn of(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), used: 0 }
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// [`Exhausted`]; nothing is taken then.
    pub fn take(&mut self, bytes: usize) -> Result<(), Exhausted> {
        if self.used + bytes > PER_CHANNEL {
            return Err(Exhausted);
        }
        let all = self.budget.used.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > self.budget.limit {
            self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
            return Err(Exhausted);
        }
        self.used += bytes;
        Ok(())
    }

    /// Gives bytes back.
    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.used);
        self.used -= bytes;
        self.budget.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_and_all_channels_have_limits() {
        let budget = Arc::new(Budget::new(PER_CHANNEL + 10));
        let mut first = Share::of(&budget);
        let mut second = Share::of(&budget);
        first.take(PER_CHANNEL).unwrap();
        assert_eq!(first.take(1), Err(Exhausted));
        second.take(10).unwrap();
        assert_eq!(second.take(1), Err(Exhausted));
        drop(first);
        second.take(1000).unwrap();
        second.give_back(5000);
        assert_eq!(budget.used(), 0);
    }
}
