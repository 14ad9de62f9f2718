//! Room that uploads of a burst have left, kept for a moment for the next ones of their session, so
//! that not each of many small files asks the control plane. There is some only far from a limit:
//! near it nobody gets more than he asks for.

use std::sync::Arc;
use std::time::Duration;

use ferryd_control_plane::TransferId;
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long room is kept that nobody takes.
const IDLE: Duration = Duration::from_millis(20);
/// How long one grant goes on from upload to upload. What they store meanwhile may not be counted
/// yet, but all of it is reserved.
const LIFETIME: Duration = Duration::from_millis(250);
/// Less is not worth keeping.
const LEAST_BYTES: u64 = 32 << 10;

/// What is left of a grant.
#[derive(Debug)]
pub(super) struct Spare {
    pub transfer: TransferId,
    /// Bytes that may still be stored; `u64::MAX` without a limit on bytes.
    pub bytes: u64,
    /// Files that may still be made.
    pub files: u32,
    /// When it was granted.
    pub since: Instant,
}

impl Spare {
    /// Tells whether another upload may use it.
    pub fn is_useful(&self) -> bool {
        self.bytes >= LEAST_BYTES && self.files > 0 && self.since.elapsed() < LIFETIME
    }
}

/// The spare room of a session.
#[derive(Debug, Default)]
pub(super) struct SpareRoom(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    room: Vec<(Spare, Instant)>,
    /// Whether somebody gives back what nobody takes.
    watched: bool,
}

impl SpareRoom {
    /// Takes some, the one that was kept last.
    pub fn take(&self) -> Option<Spare> {
        let (spare, _) = self.0.lock().room.pop()?;
        Some(spare)
    }

    /// Keeps some; `give_back` ends the grants of what nobody takes.
    pub fn keep(self: &Arc<Self>, spare: Spare, give_back: impl Fn(Spare) + Send + 'static) {
        let mut kept = self.0.lock();
        kept.room.push((spare, Instant::now()));
        if !std::mem::replace(&mut kept.watched, true) {
            tokio::spawn(watch(Arc::clone(self), give_back));
        }
    }

    /// Takes all.
    pub fn take_all(&self) -> Vec<Spare> {
        self.0.lock().room.drain(..).map(|(spare, _)| spare).collect()
    }

    /// Takes what nobody has taken for a while; tells whether there is more.
    fn take_idle(&self) -> (Vec<Spare>, bool) {
        let mut kept = self.0.lock();
        let idle = kept.room.extract_if(.., |(_, since)| since.elapsed() >= IDLE);
        let idle = idle.map(|(spare, _)| spare).collect();
        kept.watched = !kept.room.is_empty();
        (idle, kept.watched)
    }
}

async fn watch(spare_room: Arc<SpareRoom>, give_back: impl Fn(Spare)) {
    loop {
        tokio::time::sleep(IDLE).await;
        let (idle, is_more) = spare_room.take_idle();
        idle.into_iter().for_each(&give_back);
        if !is_more {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(bytes: u64, files: u32) -> Spare {
        Spare { transfer: TransferId("t".into()), bytes, files, since: Instant::now() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_grant_goes_on_for_a_moment_only() {
        let spare = spare(LEAST_BYTES, 1);
        assert!(spare.is_useful());
        tokio::time::advance(LIFETIME).await;
        assert!(!spare.is_useful());
    }

    #[tokio::test]
    async fn what_is_too_little_is_not_kept() {
        assert!(!spare(LEAST_BYTES - 1, 1).is_useful() && !spare(u64::MAX, 0).is_useful());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_takes_is_given_back() {
        let room = Arc::new(SpareRoom::default());
        let given_back = Arc::new(Mutex::new(Vec::new()));
        let keep = |bytes| {
            let given_back = Arc::clone(&given_back);
            room.keep(spare(bytes, 1), move |spare| given_back.lock().push(spare.bytes));
        };
        keep(1);
        keep(2);
        assert_eq!(room.take().map(|spare| spare.bytes), Some(2));
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(*given_back.lock(), [1]);
        keep(3);
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(*given_back.lock(), [1, 3], "watched again");
        keep(4);
        assert_eq!(room.take_all().len(), 1);
        tokio::time::sleep(2 * IDLE).await;
        assert_eq!(given_back.lock().len(), 2);
    }
}
