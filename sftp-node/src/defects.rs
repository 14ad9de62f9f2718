//! Panics at chosen places, so that tests see how much of the server a defect takes along.

use ferryd_control_plane::ConnectionId;
use parking_lot::Mutex;

/// Where a defect can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The task that watches over a connection.
    Connection,
    /// The task that speaks SSH.
    Handler,
    /// The task of a channel.
    Channel,
}

/// The defect that a test has asked for.
#[derive(Debug, Default)]
pub(crate) struct Defects(Mutex<Option<(Place, ConnectionId)>>);

impl Defects {
    /// Makes one connection panic when it comes to a place; once.
    pub fn arm(&self, place: Place, connection: &ConnectionId) {
        *self.0.lock() = Some((place, connection.clone()));
    }

    /// Panics when this is the place.
    pub fn strike(&self, place: Place, connection: &ConnectionId) {
        let armed = self.0.lock().take_if(|armed| *armed == (place, connection.clone()));
        assert!(armed.is_none(), "a defect that a test asked for");
    }

    /// Returns work that panics at its start when this is the place.
    pub fn before<F: Future<Output = ()>>(
        &self,
        place: Place,
        connection: &ConnectionId,
        work: F,
    ) -> impl Future<Output = ()> + use<F> {
        let armed = self.0.lock().take_if(|armed| *armed == (place, connection.clone()));
        async move {
            assert!(armed.is_none(), "a defect that a test asked for");
            work.await;
        }
    }
}
