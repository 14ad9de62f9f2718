//! A connection kept for the look-ups of logins. One that comes from the pool is asked whether it
//! is alive before and after each use: two of the three exchanges between threads of a look-up.

use sqlx::Connection;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::Db;

type DbConnection = <Db as sqlx::Database>::Connection;

/// One connection beside the pool.
pub(super) struct Reader(Mutex<Option<DbConnection>>);

impl Reader {
    pub(super) fn new(connection: DbConnection) -> Self {
        Self(Mutex::new(Some(connection)))
    }

    /// Returns the connection, unless it is in use or closed: then the pool has others.
    pub(super) fn free(&self) -> Option<MappedMutexGuard<'_, DbConnection>> {
        MutexGuard::try_map(self.0.try_lock().ok()?, Option::as_mut).ok()
    }

    /// Waits for a look-up that runs, closes.
    pub(super) async fn close(&self) {
        let kept = self.0.lock().await.take();
        if let Some(connection) = kept
            && let Err(error) = connection.close().await
        {
            tracing::debug!(sender = "data_provider", %error, "close a connection");
        }
    }
}
