//! The pauses between tries of a call that may succeed later: each twice as long as the one before,
//! up to a limit.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A row of growing pauses.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// Returns a row that begins with `first` and never exceeds `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// Begins again with the first pause: the last try succeeded.
    pub fn reset(&mut self) {
        self.next = self.first;
    }

    /// Waits for the next pause, or until `stop` is cancelled.
    pub async fn pause(&mut self, stop: &CancellationToken) {
        tokio::select! {
            () = tokio::time::sleep(self.step()) => {}
            () = stop.cancelled() => {}
        }
    }

    fn step(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_millis(500);

    #[test]
    fn pauses_double_up_to_the_limit_and_begin_again() {
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let pauses = [backoff.step(), backoff.step(), backoff.step(), backoff.step()];
        assert_eq!(pauses.map(|pause| pause.as_millis()), [200, 400, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.step(), FIRST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_takes_its_time_and_ends_with_the_stop_signal() {
        let stop = CancellationToken::new();
        let mut backoff = Backoff::new(FIRST, LONGEST);
        let begin = Instant::now();
        backoff.pause(&stop).await;
        assert_eq!(begin.elapsed(), FIRST);
        stop.cancel();
        backoff.pause(&stop).await;
        assert_eq!(begin.elapsed(), FIRST);
    }
}
