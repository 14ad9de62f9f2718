//! The clock of work that is done again and again.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior};

/// Returns ticks of a period; the first one comes at once. Work that takes longer than a period
/// delays the ticks after it: they are never made up for in a burst.
///
/// # Panics
/// When the period is zero or when there is no runtime.
pub fn ticks(period: Duration) -> Interval {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ticks_that_were_missed_are_not_made_up_for() {
        let period = Duration::from_secs(1);
        let mut ticks = ticks(period);
        ticks.tick().await;
        tokio::time::advance(period * 5).await;
        ticks.tick().await;
        let begin = Instant::now();
        ticks.tick().await;
        assert_eq!(begin.elapsed(), period);
    }
}
