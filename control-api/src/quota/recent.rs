//! Remembers the last ids, so that what is sent twice counts once. Bounded.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// A set that forgets its oldest members.
#[derive(Debug)]
pub(crate) struct Recent<T> {
    known: HashSet<T>,
    order: VecDeque<T>,
    capacity: usize,
}

impl<T: Clone + Eq + Hash> Recent<T> {
    /// Returns an empty set of this capacity.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { known: HashSet::new(), order: VecDeque::new(), capacity }
    }

    /// Adds an id and tells whether it is new.
    pub(crate) fn insert(&mut self, id: &T) -> bool {
        if !self.known.insert(id.clone()) {
            return false;
        }
        self.order.push_back(id.clone());
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }

    /// Tells whether an id was added lately.
    pub(crate) fn contains(&self, id: &T) -> bool {
        self.known.contains(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_id_is_forgotten_first() {
        let mut recent = Recent::new(2);
        assert!(recent.insert(&1) && recent.insert(&2) && !recent.insert(&1));
        assert!(recent.insert(&3));
        assert!(!recent.contains(&1) && recent.contains(&2) && recent.contains(&3));
    }
}
