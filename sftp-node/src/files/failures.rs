//! How many operations of a session have failed, and which of them get a line in the log: so many
//! at once and one a second after that. A client that fails all the time cannot flood the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Lines of failures that may follow one another at once.
const BURST: u32 = 50;
/// After that, one line may follow in each of these spans.
const SPAN: Duration = Duration::from_secs(1);

/// The failures of a session.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    total: AtomicU64,
    lines: Mutex<Lines>,
}

/// Lines that are spent and failures that have none. A token bucket that holds spent tokens, so
/// that an untouched one is full.
#[derive(Debug, Default)]
struct Lines {
    spent: u32,
    since: Option<Instant>,
    left_out: u64,
}

impl Failures {
    /// Counts a failure. Returns how many before it have no line when it may have one itself.
    pub fn note(&self) -> Option<u64> {
        self.note_at(Instant::now())
    }

    fn note_at(&self, now: Instant) -> Option<u64> {
        self.total.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lines.lock();
        lines.refill(now);
        if lines.spent >= BURST {
            lines.left_out += 1;
            return None;
        }
        lines.spent += 1;
        Some(std::mem::take(&mut lines.left_out))
    }

    /// Returns how many have failed.
    pub fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Returns how many have no line and were not told of, for the last time.
    pub fn left_out(&self) -> u64 {
        std::mem::take(&mut self.lines.lock().left_out)
    }
}

impl Lines {
    fn refill(&mut self, now: Instant) {
        let Some(since) = self.since.filter(|_| self.spent > 0) else {
            self.since = Some(now);
            return;
        };
        let spans = now.saturating_duration_since(since).as_secs() / SPAN.as_secs();
        let regained = u32::try_from(spans).unwrap_or(u32::MAX);
        if regained > 0 {
            self.spent = self.spent.saturating_sub(regained);
            self.since = since.checked_add(SPAN.saturating_mul(regained)).filter(|at| *at <= now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_gets_its_burst_then_one_line_a_second_and_the_rest_is_counted() {
        let failures = Failures::default();
        let begin = Instant::now();
        let told = (0..1000).filter(|_| failures.note_at(begin).is_some()).count();
        assert_eq!((told, failures.total()), (BURST as usize, 1000));
        assert_eq!(failures.note_at(begin + SPAN), Some(1000 - u64::from(BURST)));
        assert_eq!(failures.note_at(begin + SPAN * 3 / 2), None);
        assert_eq!(failures.note_at(begin + SPAN * 2), Some(1));
        assert_eq!(failures.left_out(), 0);
        assert_eq!(failures.note_at(begin + SPAN * 2), None);
        assert_eq!((failures.left_out(), failures.left_out()), (1, 0));
    }

    #[test]
    fn after_a_long_time_the_burst_is_whole_again() {
        let failures = Failures::default();
        let begin = Instant::now();
        (0..BURST).for_each(|_| assert!(failures.note_at(begin).is_some()));
        let later = begin + SPAN * 1_000_000;
        (0..BURST).for_each(|_| assert!(failures.note_at(later).is_some()));
        assert_eq!(failures.note_at(later), None);
    }
}
