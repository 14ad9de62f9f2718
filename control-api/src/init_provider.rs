//! `initprovider`: makes the tables that the configured data provider needs.

use std::path::Path;

use ferryd_data_provider::{DataProviderConfig, Initialized};
use ferryd_domain::Fault;
use ferryd_runtime::terminal;

/// Makes the tables and says so on standard output.
///
/// # Errors
/// Those of the data provider.
pub async fn init_provider(config: DataProviderConfig, config_dir: &Path) -> Result<(), Fault> {
    let driver = &config.driver;
    match ferryd_data_provider::initialize(&config, config_dir).await? {
        Initialized::Ready => {
            terminal::answer(format_args!("data provider {driver} is initialized"));
        }
        Initialized::NotNeeded => {
            terminal::answer(format_args!("data provider {driver} needs no initialization"));
        }
    }
    Ok(())
}
