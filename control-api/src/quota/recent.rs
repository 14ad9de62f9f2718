//! Remembers the last ids, so that what is sent twice counts once. Bounded: 16 bytes of each id in
//! tables that never grow. The ids themselves would lie scattered among short-lived memory, which
//! then could not be given back.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash, RandomState};

/// What is kept of an id: its hashes under two random keys, which nobody can make collide.
type Print = [u64; 2];

/// A set that forgets its oldest members.
#[derive(Debug)]
pub(crate) struct Recent {
    keys: [RandomState; 2],
    young: HashSet<Print>,
    old: HashSet<Print>,
    generation: usize,
}

impl Recent {
    /// Returns an empty set that remembers at least the last `generation` ids, and at most twice
    /// as many.
    pub(crate) fn new(generation: usize) -> Self {
        let table = || HashSet::with_capacity(generation);
        let keys = [RandomState::new(), RandomState::new()];
        Self { keys, young: table(), old: table(), generation }
    }

    /// Adds an id and tells whether it is new.
    pub(crate) fn insert(&mut self, id: &impl Hash) -> bool {
        if self.contains(id) {
            return false;
        }
        if self.young.len() >= self.generation {
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(self.print(id))
    }

    /// Tells whether an id was added lately.
    pub(crate) fn contains(&self, id: &impl Hash) -> bool {
        let print = self.print(id);
        self.young.contains(&print) || self.old.contains(&print)
    }

    fn print(&self, id: &impl Hash) -> Print {
        self.keys.each_ref().map(|key| key.hash_one(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_new_once() {
        let mut recent = Recent::new(2);
        assert!(recent.insert(&"a") && recent.insert(&"b"));
        assert!(!recent.insert(&"a") && recent.contains(&"b") && !recent.contains(&"c"));
    }

    #[test]
    fn the_last_ids_are_known_and_the_tables_do_not_grow() {
        let mut recent = Recent::new(100);
        let room = recent.young.capacity();
        for id in 0_u32..10_000 {
            assert!(recent.insert(&id));
            assert!((id.saturating_sub(99)..=id).all(|id| recent.contains(&id)));
        }
        assert!(!recent.contains(&9_799));
        assert_eq!((recent.young.capacity(), recent.old.capacity()), (room, room));
    }
}
