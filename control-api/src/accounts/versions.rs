//! A number per account that rises with each change, so that a session can tell which state it
//! holds. Lives as long as the process.

use std::collections::HashMap;

use ferryd_domain::Username;
use parking_lot::Mutex;

/// The version of each account that this process has handed out.
#[derive(Debug, Default)]
pub(super) struct Versions(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// What accounts have that are not in the map.
    common: u64,
    changed: HashMap<Username, u64>,
}

impl Versions {
    pub(super) fn of(&self, username: &Username) -> u64 {
        let state = self.0.lock();
        state.changed.get(username).copied().unwrap_or(state.common)
    }

    pub(super) fn rise(&self, username: &Username) {
        let mut state = self.0.lock();
        state.last += 1;
        let version = state.last;
        state.changed.insert(username.clone(), version);
    }

    pub(super) fn rise_all(&self) {
        let mut state = self.0.lock();
        state.last += 1;
        state.common = state.last;
        state.changed.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_rises_and_others_stay() {
        let versions = Versions::default();
        let (a, b) = (Username::stored("a"), Username::stored("b"));
        let mut last = versions.of(&a);
        for _ in 0..3 {
            versions.rise(&a);
            assert!(versions.of(&a) > last);
            last = versions.of(&a);
        }
        assert_eq!(versions.of(&b), 0);
        versions.rise_all();
        assert!(versions.of(&a) > last && versions.of(&b) > 0);
    }
}
