//! Grants that uploads of a burst have left over, kept for a moment for the next ones of their session,
//! so that not each of many small files asks the control plane. There are some only far from a limit:
//! near it a transfer is granted no more than it asks for.

use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::TransferId;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long a grant is kept that no upload takes.
const IDLE: Duration = Duration::from_millis(20);
/// How long one grant goes on from upload to upload. What they store meanwhile may not be counted
/// yet, but all of it is reserved.
const LIFETIME: Duration = Duration::from_millis(250);
/// Less is not worth keeping.
const LEAST_BYTES: u64 = 32 << 10;

/// What is left of a grant.
#[derive(Debug)]
pub(super) struct CachedGrant {
    pub transfer: TransferId,
    /// Bytes that may still be stored; `u64::MAX` without a limit on bytes.
    pub bytes: u64,
    /// Files that may still be made.
    pub files: u32,
    /// When it was granted.
    pub since: Instant,
}

impl CachedGrant {
    /// Tells whether another upload may use it.
    pub fn is_useful(&self) -> bool {
        self.bytes >= LEAST_BYTES && self.files > 0 && self.since.elapsed() < LIFETIME
    }
}

/// The cached grants of a session.
#[derive(Debug, Default)]
pub(super) struct GrantCache(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    reservation: Vec<(CachedGrant, Instant)>,
    /// Whether somebody gives back what nobody takes.
    watched: bool,
}

impl GrantCache {
    /// Takes some, the one that was kept last.
    pub fn take(&self) -> Option<CachedGrant> {
        let (cached, _) = self.0.lock().reservation.pop()?;
        Some(cached)
    }

    /// Keeps some; `give_back` ends the grants of what nobody takes.
    pub fn keep(
        self: &Arc<Self>,
        cached: CachedGrant,
        give_back: impl Fn(CachedGrant) + Send + 'static,
    ) {
        let mut kept = self.0.lock();
        kept.reservation.push((cached, Instant::now()));
        if !std::mem::replace(&mut kept.watched, true) {
            tokio::spawn(watch(Arc::clone(self), give_back));
        }
    }

    /// Takes all.
    pub fn take_all(&self) -> Vec<CachedGrant> {
        self.0.lock().reservation.drain(..).map(|(cached, _)| cached).collect()
    }

    /// Takes what nobody has taken for a while; tells whether there is more.
    fn take_idle(&self) -> (Vec<CachedGrant>, bool) {
        let mut kept = self.0.lock();
        let idle = kept.reservation.extract_if(.., |(_, since)| since.elapsed() >= IDLE);
        let idle = idle.map(|(cached, _)| cached).collect();
        kept.watched = !kept.reservation.is_empty();
        (idle, kept.watched)
    }
}

async fn watch(grant_cache: Arc<GrantCache>, give_back: impl Fn(CachedGrant)) {
    loop {
        tokio::time::sleep(IDLE).await;
        let (idle, is_more) = grant_cache.take_idle();
        idle.into_iter().for_each(&give_back);
        if !is_more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cached(bytes: u64, files: u32) -> CachedGrant {
        CachedGrant { transfer: TransferId("t".into()), bytes, files, since: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_goes_on_for_a_moment_only() {
        let cached = cached(LEAST_BYTES, 1);
        assert!(cached.is_useful());
        tokio::time::advance(LIFETIME).await;
        assert!(!cached.is_useful());
    }

    #[tokio::test]
    async fn what_is_too_little_is_not_kept() {
        assert!(!cached(LEAST_BYTES - 1, 1).is_useful() && !cached(u64::MAX, 0).is_useful());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_given_back() {
        let reservation = Arc::new(GrantCache::default());
        let given_back = Arc::new(Mutex::new(Vec::new()));
        let keep = |bytes| {
            let given_back = Arc::clone(&given_back);
            reservation.keep(cached(bytes, 1), move |cached| given_back.lock().push(cached.bytes));
        };
        keep(1);
        keep(2);
        assert_eq!(reservation.take().map(|cached| cached.bytes), Some(2));
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(*given_back.lock(), [1]);
        keep(3);
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(*given_back.lock(), [1, 3], "watched again");
        keep(4);
        assert_eq!(reservation.take_all().len(), 1);
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(given_back.lock().len(), 2);
    }
}
