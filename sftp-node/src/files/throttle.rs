//! Bandwidth of an account: one bucket per direction, shared by its sessions on this node.

use std::sync::Arc;
use std::time::Duration;

use ferryd_domain::{Account, Username};
use ferryd_runtime::SharedValues;
use parking_lot::Mutex;
use tokio::time::Instant;

/// Waits that are shorter are not worth a timer: what is early now, the next wait makes up for.
const SLACK: Duration = Duration::from_millis(5);
/// What may be sent at once after a pause.
const BURST: Duration = Duration::from_millis(100);
/// Pieces are at least this long, so that slow accounts do not pay for tiny packets.
const SMALLEST_PIECE: usize = 4 * 1024;

/// The buckets of all accounts with a session.
#[derive(Debug, Default)]
pub(crate) struct Throttles(SharedValues<Username, UserThrottle>);

impl Throttles {
    /// Returns the buckets of an account. A changed limit starts new ones.
    pub fn of(&self, account: &Account) -> Arc<UserThrottle> {
        let unchanged = |known: &UserThrottle| known.limits == limits(account);
        self.0.get_if(&account.username, unchanged, || UserThrottle::new(account))
    }
}

/// The buckets of one account.
#[derive(Debug)]
pub(crate) struct UserThrottle {
    limits: (i64, i64),
    /// Towards us.
    pub upload: Option<Bucket>,
    /// Towards the client.
    pub download: Option<Bucket>,
}

fn limits(account: &Account) -> (i64, i64) {
    (account.upload_bandwidth, account.download_bandwidth)
}

impl UserThrottle {
    fn new(account: &Account) -> Self {
        Self {
            limits: limits(account),
            upload: Bucket::new(account.upload_bandwidth),
            download: Bucket::new(account.download_bandwidth),
        }
    }
}

/// Lets bytes through at a rate: each taker waits until those before it are through.
#[derive(Debug)]
pub(crate) struct Bucket {
    bytes_per_second: u64,
    /// When everything that was let through so far is through.
    free_at: Mutex<Instant>,
}

impl Bucket {
    /// Returns a bucket for a rate in KB/s (1 KB = 1000 bytes), `None` for no limit.
    fn new(kilobytes_per_second: i64) -> Option<Self> {
        let rate = u64::try_from(kilobytes_per_second).ok().filter(|rate| *rate > 0)?;
        Some(Self {
            bytes_per_second: rate.saturating_mul(1000),
            free_at: Mutex::new(Instant::now()),
        })
    }

    /// Waits until this many bytes may go.
    pub async fn take(&self, bytes: usize) {
        let now = Instant::now();
        let until = self.book(bytes, now);
        if until > now + SLACK {
            tokio::time::sleep_until(until).await;
        }
    }

    /// Returns when these bytes are through.
    fn book(&self, bytes: usize, now: Instant) -> Instant {
        let mut free_at = self.free_at.lock();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        *free_at = (*free_at).max(earliest) + self.time_for(bytes);
        *free_at
    }

    /// Returns how long a piece should be so that the flow is smooth.
    pub fn piece(&self) -> usize {
        let fifty_milliseconds = self.bytes_per_second / 20;
        usize::try_from(fifty_milliseconds).unwrap_or(usize::MAX).max(SMALLEST_PIECE)
    }

    fn time_for(&self, bytes: usize) -> Duration {
        let nanoseconds =
            (bytes as u128).saturating_mul(1_000_000_000) / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_rate_holds_over_all_takers() {
        let bucket = Arc::new(Bucket::new(1000).unwrap());
        let start = Instant::now();
        let takers = (0..4).map(|_| {
            let bucket = Arc::clone(&bucket);
            tokio::spawn(async move {
                for _ in 0..25 {
                    bucket.take(100_000).await;
                }
            })
        });
        for taker in takers.collect::<Vec<_>>() {
            taker.await.unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!((9.8..10.1).contains(&seconds), "{seconds}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_account_does_not_pay_for_a_timer_per_packet() {
        let bucket = Bucket::new(200_000).unwrap();
        let start = Instant::now();
        let mut waits = 0;
        for _ in 0..30_517 {
            let before = Instant::now();
            bucket.take(65_536).await;
            waits += usize::from(Instant::now() > before);
        }
        let seconds = start.elapsed().as_secs_f64();
        assert!((9.8..10.1).contains(&seconds), "{seconds}");
        assert!(waits < 30_517 / 10, "{waits} timers");
    }

    #[test]
    fn sessions_of_an_account_share_their_buckets() {
        let throttles = Throttles::default();
        let account = Account { upload_bandwidth: 5, ..Account::default() };
        let first = throttles.of(&account);
        assert!(Arc::ptr_eq(&first, &throttles.of(&account)));
        let faster = Account { upload_bandwidth: 6, ..account };
        assert!(!Arc::ptr_eq(&first, &throttles.of(&faster)));
    }
}
