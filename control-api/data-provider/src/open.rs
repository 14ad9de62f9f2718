//! From the configuration to a provider.

use std::path::Path;
use std::sync::Arc;

use ferryd_domain::Fault;

use crate::memory::MemoryProvider;
use crate::sql::Schema;
use crate::{DataProvider, DataProviderConfig, Driver, Inspected, sqlite};

/// What initializing a store did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Initialized {
    /// The tables are there now, or were before.
    Ready,
    /// This driver needs no tables.
    NotNeeded,
}

/// Opens a store for reading and writes nothing.
///
/// # Errors
/// Those of [`open`].
pub async fn inspect(config: &DataProviderConfig, config_dir: &Path) -> Result<Inspected, Fault> {
    match config.driver()? {
        Driver::Sqlite => sqlite::inspect(config, config_dir).await,
        Driver::Memory | Driver::Mysql | Driver::Postgresql | Driver::Bolt => {
            open(config, config_dir).await.map(Inspected::Ready)
        }
    }
}

/// Opens the store.
///
/// # Errors
/// `InvalidInput` for settings that cannot work, `NotFound` for a store that was never
/// initialized, `Unsupported` for a driver that is not built yet, `Unavailable`.
pub async fn open(
    config: &DataProviderConfig,
    config_dir: &Path,
) -> Result<Arc<dyn DataProvider>, Fault> {
    match config.driver()? {
        Driver::Sqlite => Ok(Arc::new(sqlite::open(config, config_dir, schema(config)).await?)),
        Driver::Memory => Ok(Arc::new(MemoryProvider::open(config, config_dir).await?)),
        Driver::Mysql | Driver::Postgresql | Driver::Bolt => Err(not_built(&config.driver)),
    }
}

/// Makes the store ready to be opened. Harmless when it is.
///
/// # Errors
/// Those of [`open`].
pub async fn initialize(
    config: &DataProviderConfig,
    config_dir: &Path,
) -> Result<Initialized, Fault> {
    match config.driver()? {
        Driver::Sqlite => {
            sqlite::create_file(config, config_dir)?;
            sqlite::open(config, config_dir, Schema::Upgrade).await?;
            Ok(Initialized::Ready)
        }
        Driver::Memory => Ok(Initialized::NotNeeded),
        Driver::Mysql | Driver::Postgresql | Driver::Bolt => Err(not_built(&config.driver)),
    }
}

/// Without management of users nothing is written: the table may be a view of somebody else's.
fn schema(config: &DataProviderConfig) -> Schema {
    match config.manage_users {
        0 => Schema::Check,
        _ => Schema::Upgrade,
    }
}

fn not_built(driver: &str) -> Fault {
    Fault::unsupported(format!("driver {driver} is not built yet"))
}
