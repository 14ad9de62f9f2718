//! One value per key for everybody who asks while somebody has it: what the sessions of an account
//! or the storages of a device share.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

/// Entries below which nobody looks for dead ones.
const FEW: usize = 32;

/// Values by key. A value lives as long as somebody holds it; a dead one takes an entry until the
/// number of entries has doubled, so that finding the dead costs each insertion a constant share.
#[derive(Debug)]
pub struct SharedValues<K, V>(Mutex<Entries<K, V>>);

#[derive(Debug)]
struct Entries<K, V> {
    values: HashMap<K, Weak<V>>,
    /// From this many entries on dead ones are removed.
    full: usize,
}

impl<K, V> Default for SharedValues<K, V> {
    fn default() -> Self {
        Self(Mutex::new(Entries { values: HashMap::new(), full: FEW }))
    }
}

impl<K: Eq + Hash + Clone, V> SharedValues<K, V> {
    /// Returns the value of a key that somebody holds, or makes one.
    pub fn get(&self, key: &K, make: impl FnOnce() -> V) -> Arc<V> {
        self.get_if(key, |_| true, make)
    }

    /// As [`Self::get`], with a value that no longer fits replaced by a new one. Those who hold the
    /// old one keep it.
    pub fn get_if(
        &self,
        key: &K,
        fits: impl FnOnce(&V) -> bool,
        make: impl FnOnce() -> V,
    ) -> Arc<V> {
        let mut entries = self.0.lock();
        let known = entries.values.get(key).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| fits(known)) {
            return known;
        }
        entries.remove_dead();
        let value = Arc::new(make());
        entries.values.insert(key.clone(), Arc::downgrade(&value));
        value
    }
}

impl<K: Eq + Hash, V> Entries<K, V> {
    fn remove_dead(&mut self) {
        if self.values.len() >= self.full {
            self.values.retain(|_, value| value.strong_count() > 0);
            self.full = FEW.max(2 * self.values.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shared_while_somebody_holds_it() {
        let values = SharedValues::default();
        let one = values.get(&"a", || 1);
        assert!(Arc::ptr_eq(&one, &values.get(&"a", || 2)));
        assert_eq!(*values.get(&"b", || 3), 3);
        drop(one);
        assert_eq!(*values.get(&"a", || 4), 4);
    }

    #[test]
    fn a_value_that_does_not_fit_is_replaced_for_those_who_come_later() {
        let values = SharedValues::default();
        let old = values.get(&"a", || 1);
        let new = values.get_if(&"a", |value| *value == 2, || 2);
        assert_eq!((*old, *new), (1, 2));
        assert!(Arc::ptr_eq(&new, &values.get(&"a", || 3)));
    }

    #[test]
    fn dead_values_do_not_pile_up() {
        let values = SharedValues::default();
        let held: Vec<_> = (0..100).map(|key| values.get(&key, || key)).collect();
        for key in 100..10_000 {
            values.get(&key, || key);
        }
        assert!(values.0.lock().values.len() <= 2 * held.len());
        assert!(held.iter().all(|value| Arc::ptr_eq(value, &values.get(value, || 0))));
    }
}
