//! Usage changes that come so fast that a call for each would cost more than the files. They are
//! added up per account and told together, [`DELAY`] later at most. Only for a control plane that is
//! another process, and only for changes that end no grant.

use std::collections::HashMap;
use std::time::Duration;

use ferryd_control_plane::UsageChange;
use ferryd_domain::Username;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// How long a change waits for others.
const DELAY: Duration = Duration::from_millis(25);
/// How many changes of a session are told one by one in each [`WINDOW`].
const ONE_BY_ONE: u32 = 8;
const WINDOW: Duration = Duration::from_millis(250);
/// A session that made so many in one window is in a burst, and in the next one none is told by itself.
const BURST: u32 = 64;

/// How fast the changes of one session come.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<Option<Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    changes: u32,
}

impl Pace {
    /// Notes a change; tells whether it is one of many.
    pub fn is_fast(&self) -> bool {
        let now = Instant::now();
        let mut window = self.0.lock();
        match window.as_mut().filter(|window| now - window.since < WINDOW) {
            Some(window) => {
                window.changes = window.changes.saturating_add(1);
                window.changes > ONE_BY_ONE
            }
            None => {
                let lasts = window.as_ref().is_some_and(|window| window.is_burst_before(now));
                let changes = if lasts { ONE_BY_ONE + 1 } else { 1 };
                *window = Some(Window { since: now, changes });
                lasts
            }
        }
    }
}

impl Window {
    /// Tells whether this one was full and another one begins right after it.
    fn is_burst_before(&self, next: Instant) -> bool {
        self.changes >= BURST && next - self.since < 2 * WINDOW
    }
}

/// What waits to be told: one sum per account.
#[derive(Debug)]
pub(super) struct Gathered {
    sums: Mutex<Sums>,
    added: Notify,
    urgent: Notify,
    /// The number of the last change that was told.
    told: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Sums {
    by_account: HashMap<Username, UsageChange>,
    /// The number of the last change that was added.
    last: u64,
}

/// Sums that are to be told now, and the number of the last change in them.
#[derive(Debug)]
pub(super) struct Batch {
    pub changes: Vec<UsageChange>,
    last: u64,
}

impl Gathered {
    pub fn new() -> Self {
        Self {
            sums: Mutex::default(),
            added: Notify::new(),
            urgent: Notify::new(),
            told: watch::Sender::new(0),
        }
    }

    /// Adds a change to the sum of its account.
    pub fn add(&self, change: UsageChange) {
        let mut sums = self.sums.lock();
        sums.last += 1;
        let first = sums.by_account.is_empty();
        match sums.by_account.get_mut(&change.username) {
            Some(sum) => add(sum, &change),
            None => {
                sums.by_account.insert(change.username.clone(), change);
            }
        }
        drop(sums);
        if first {
            self.added.notify_one();
        }
    }

    /// Waits until there is something to tell and others had time to join it.
    pub async fn batch(&self) -> Batch {
        self.added.notified().await;
        tokio::select! {
            () = tokio::time::sleep(DELAY) => {}
            () = self.urgent.notified() => {}
        }
        let mut sums = self.sums.lock();
        let changes = std::mem::take(&mut sums.by_account).into_values().collect();
        Batch { changes, last: sums.last }
    }

    /// Notes that a batch has arrived, or waits where it is not forgotten.
    pub fn told(&self, batch: &Batch) {
        self.told.send_replace(batch.last);
    }

    /// Waits until all that was added before is told. Nothing is lost when the caller gives up.
    pub async fn all_told(&self) {
        let wanted = self.sums.lock().last;
        if *self.told.borrow() >= wanted {
            return;
        }
        self.urgent.notify_one();
        // The sender lives as long as `self`: waiting cannot fail.
        let _ = self.told.subscribe().wait_for(|told| *told >= wanted).await;
    }

    /// Returns how many changes have not been told yet.
    pub fn waiting(&self) -> usize {
        let last = self.sums.lock().last;
        usize::try_from(last.saturating_sub(*self.told.borrow())).unwrap_or(usize::MAX)
    }
}

fn add(sum: &mut UsageChange, change: &UsageChange) {
    sum.size = sum.size.saturating_add(change.size);
    sum.files = sum.files.saturating_add(change.files);
    sum.certainty = sum.certainty.and(change.certainty);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(pace: &Pace, changes: u32) -> u32 {
        (0..changes).filter(|_| !pace.is_fast()).count().try_into().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_changes_of_a_window_are_told_one_by_one() {
        let pace = Pace::default();
        for _ in 0..3 {
            assert_eq!(slow(&pace, BURST - 1), ONE_BY_ONE);
            tokio::time::advance(WINDOW).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_on_until_a_pause() {
        let pace = Pace::default();
        assert_eq!(slow(&pace, BURST), ONE_BY_ONE);
        tokio::time::advance(WINDOW).await;
        assert_eq!(slow(&pace, BURST), 0);
        tokio::time::advance(2 * WINDOW).await;
        assert_eq!(slow(&pace, BURST), ONE_BY_ONE);
    }
}
