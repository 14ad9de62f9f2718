//! What the store said about the usage of users a moment ago. Uploads of an account with a limit ask
//! for room one after the other; one question to the store serves those of [`FRESH`].

use std::collections::HashMap;
use std::time::Duration;

use ferryd_domain::{QuotaUsage, Username};
use parking_lot::Mutex;
use tokio::time::Instant;

/// How long an answer holds: as long as changes may wait to be written, here or by another control
/// plane of the same store.
const FRESH: Duration = super::FLUSH_DELAY;

/// The last answers. Whoever changes the store has to [`forget`](Self::forget) them, and nobody may
/// ask the store meanwhile.
#[derive(Debug, Default)]
pub(super) struct Stored(Mutex<HashMap<Username, (QuotaUsage, Instant)>>);

impl Stored {
    /// Returns an answer that still holds.
    pub(super) fn get(&self, user: &Username) -> Option<QuotaUsage> {
        let answers = self.0.lock();
        let (usage, at) = answers.get(user)?;
        (at.elapsed() < FRESH).then_some(*usage)
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, user: &Username, usage: QuotaUsage) {
        self.0.lock().insert(user.clone(), (usage, Instant::now()));
    }

    /// Forgets the answer about a user.
    pub(super) fn forget(&self, user: &Username) {
        self.0.lock().remove(user);
    }

    /// Forgets answers that do not hold any more.
    pub(super) fn sweep(&self) {
        self.0.lock().retain(|_, (_, at)| at.elapsed() < FRESH);
    }
}
