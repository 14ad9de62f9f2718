//! `ferryd initprovider`: makes the tables that the configured data provider needs.

use ferryd_config::ConfigFlags;
use ferryd_data_provider::Initialized;
use ferryd_domain::Fault;
use ferryd_runtime::terminal;

use crate::settings;

/// Makes the tables and says so.
///
/// # Errors
/// Those of the configuration and the data provider.
pub async fn run(flags: ConfigFlags) -> Result<(), Fault> {
    let options = flags.resolve();
    let loaded = settings::load(&options)?;
    loaded.show_warnings();
    let provider = &loaded.settings.data_provider;
    match ferryd_data_provider::initialize(provider, &options.config_dir).await? {
        Initialized::Ready => {
            terminal::answer(format_args!("data provider {} is initialized", provider.driver));
        }
        Initialized::NotNeeded => {
            let driver = &provider.driver;
            terminal::answer(format_args!("data provider {driver} needs no initialization"));
        }
    }
    Ok(())
}
