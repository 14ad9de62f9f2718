//! `control-api serve`: from the settings to the running servers and their orderly end.

use control_api::ControlApi;
use ferryd_config::{ConfigOptions, Loaded, LogOptions, ServeFlags};
use ferryd_domain::Fault;
use ferryd_runtime::{Requests, limits, terminal};

use super::servers::{Addresses, Servers};
use super::settings::{self, Settings};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let start = flags.start("control-api.log", settings::load, |settings| &settings.log)?;
    start.serve(serve).await
}

async fn serve(
    loaded: Loaded<Settings>,
    options: ConfigOptions,
    log: LogOptions,
) -> Result<(), Fault> {
    loaded.show_warnings();
    let settings = loaded.settings;
    let shutdown = ferryd_runtime::on_termination()?;
    let reloads = Requests::to_reload()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    ferryd_runtime::orphans::reap_orphans()?;
    limits::raise_open_files();
    let servers = Servers::bind(&settings, &options.config_dir).await?;
    let api = ControlApi::build(settings.into_parts(&options.config_dir)).await?;
    api.remember_nodes().await;
    tell_addresses(&servers.addresses(), &log);
    tokio::select! {
        outcome = servers.run(&api, shutdown) => outcome,
        () = api.reload_at(reloads) => Ok(()),
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
