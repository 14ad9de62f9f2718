//! `control-api serve`: from the settings to the running servers and their orderly end.

use control_api::ControlApi;
use ferryd_config::{ConfigOptions, LogOptions};
use ferryd_domain::Fault;
use ferryd_runtime::{Requests, terminal};

use super::cli::ServeFlags;
use super::servers::{Addresses, Servers};
use super::settings::{self, Settings};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "control-api.log")?;
    let loaded = settings::load(&options)?;
    let _log = ferryd_telemetry::init(&log.settings(&loaded.settings.log))?;
    loaded.log();
    loaded.show_warnings();
    let outcome = serve(loaded.settings, &options, &log).await;
    match &outcome {
        Ok(()) => tracing::info!(sender = "service", "stopped"),
        Err(fault) => tracing::error!(sender = "service", error = %fault, "the server has ended"),
    }
    outcome
}

async fn serve(settings: Settings, options: &ConfigOptions, log: &LogOptions) -> Result<(), Fault> {
    let shutdown = ferryd_runtime::on_termination()?;
    let reloads = Requests::to_reload()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    let open_files = ferryd_runtime::limits::raise_open_files();
    tracing::debug!(sender = "service", open_files, "limit of open files");
    let servers = Servers::bind(&settings, &options.config_dir).await?;
    let api = ControlApi::build(settings.into_parts(&options.config_dir)).await?;
    api.remember_nodes().await;
    tell_addresses(&servers.addresses(), log);
    tokio::select! {
        outcome = servers.run(&api, shutdown) => outcome,
        () = reload(reloads, &api) => Ok(()),
    }
}

/// Reads again what may have changed outside, at each SIGHUP.
async fn reload(mut reloads: Requests, api: &ControlApi) {
    loop {
        reloads.next().await;
        tracing::info!(sender = "service", "reload was asked for");
        api.reload().await;
    }
}

/// On standard error, because standard output may be the log.
fn tell_addresses(addresses: &Addresses, log: &LogOptions) {
    let http = addresses.http.as_deref().unwrap_or("off");
    let log = log.file.as_ref().map_or("standard output".into(), |file| file.to_string_lossy());
    terminal::say(format_args!(
        "control-api is running\n  nodes   {}\n  HTTP    {http}\n  log     {log}",
        addresses.nodes
    ));
    tracing::info!(sender = "service", nodes = addresses.nodes, http, "started");
}
