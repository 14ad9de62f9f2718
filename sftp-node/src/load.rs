//! What the connections of a thread weigh. A transfer can fill a thread, a login takes milliseconds of
//! it, a session that does nothing takes nothing: a storm of logins goes where no transfer runs.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What something does, as far as its thread is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A connection that is not logged in yet.
    LoggingIn,
    /// A session, whatever it may start.
    Idle,
    /// A transfer of a session.
    Transferring,
}

impl Kind {
    /// Returns the weight: eight logins at once are as much as a transfer.
    const fn weight(self) -> usize {
        match self {
            Self::LoggingIn => 8,
            Self::Idle => 1,
            Self::Transferring => 64,
        }
    }
}

/// What goes on on one thread.
#[derive(Debug, Default)]
pub(crate) struct Load {
    total: AtomicUsize,
    connections: AtomicUsize,
}

/// Weighs on a thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Weight {
    load: Arc<Load>,
    weight: AtomicUsize,
    connections: usize,
}

thread_local! {
    static LOAD: RefCell<Option<Arc<Load>>> = const { RefCell::new(None) };
}

/// Says whose load this thread carries.
pub(crate) fn belongs_to_this_thread(load: Arc<Load>) {
    LOAD.with(|mine| *mine.borrow_mut() = Some(load));
}

/// Puts a weight on the current thread, if it serves connections.
pub(crate) fn put_on_this_thread(kind: Kind) -> Option<Weight> {
    LOAD.with(|mine| mine.borrow().as_ref().map(|load| load.put_on(kind)))
}

impl Load {
    /// Puts a weight on; anything but a transfer is a connection.
    pub fn put_on(self: &Arc<Self>, kind: Kind) -> Weight {
        let connections = usize::from(kind != Kind::Transferring);
        self.total.fetch_add(kind.weight(), Ordering::Relaxed);
        self.connections.fetch_add(connections, Ordering::Relaxed);
        Weight { load: Arc::clone(self), weight: AtomicUsize::new(kind.weight()), connections }
    }

    /// Returns the sum of the weights.
    pub fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    /// Returns the number of connections.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Weight {
    /// Changes what it weighs.
    pub fn becomes(&self, kind: Kind) {
        let before = self.weight.swap(kind.weight(), Ordering::Relaxed);
        self.load.total.fetch_add(kind.weight(), Ordering::Relaxed);
        self.load.total.fetch_sub(before, Ordering::Relaxed);
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.load.total.fetch_sub(*self.weight.get_mut(), Ordering::Relaxed);
        self.load.connections.fetch_sub(self.connections, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_with_a_transfer_is_avoided_until_eight_log_in_elsewhere() {
        let (busy, other) = (Arc::new(Load::default()), Arc::new(Load::default()));
        let session = busy.put_on(Kind::Idle);
        let transfer = busy.put_on(Kind::Transferring);
        let storm: Vec<_> = (0..8).map(|_| other.put_on(Kind::LoggingIn)).collect();
        assert!(other.total() < busy.total());
        let last = other.put_on(Kind::LoggingIn);
        assert!(other.total() > busy.total());
        last.becomes(Kind::Idle);
        assert_eq!((busy.connections(), other.connections()), (1, 9));
        storm.iter().for_each(|login| login.becomes(Kind::Idle));
        assert_eq!(other.total(), 9);
        drop((session, transfer, storm, last));
        assert_eq!((busy.total(), other.total()), (0, 0));
        assert_eq!((busy.connections(), other.connections()), (0, 0));
    }

    #[test]
    fn a_transfer_weighs_on_the_thread_that_runs_it() {
        assert!(put_on_this_thread(Kind::Transferring).is_none(), "this thread serves nobody");
        let load = Arc::new(Load::default());
        belongs_to_this_thread(Arc::clone(&load));
        let transfer = put_on_this_thread(Kind::Transferring);
        assert_eq!((load.total(), load.connections()), (64, 0));
        drop(transfer);
        assert_eq!(load.total(), 0);
    }
}
