//! `ferryd serve`: from the settings to the running servers and their orderly end.

use ferryd_config::{ConfigOptions, Loaded, LogOptions, ServeFlags};
use ferryd_domain::Fault;
use ferryd_runtime::{Requests, limits};
use ferryd_telemetry::Pages;

use crate::greeting::Greeting;
use crate::settings::{self, Settings};
use crate::version;
use crate::wiring::Server;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps a part from starting; such a fault ends the program.
pub async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let start = flags.start("ferryd.log", settings::load, |settings| &settings.log)?;
    tracing::info!(sender = "service", version = version::TEXT, "ferryd starts");
    start.serve(serve).await
}

async fn serve(
    loaded: Loaded<Settings>,
    options: ConfigOptions,
    log: LogOptions,
) -> Result<(), Fault> {
    let greeting = Greeting::new(&loaded, &options, &log);
    let settings = loaded.settings;
    let shutdown = ferryd_runtime::on_termination()?;
    let reloads = Requests::to_reload()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    ferryd_runtime::orphans::reap_orphans()?;
    limits::set_umask(settings.sftpd.umask_bits());
    limits::raise_open_files();
    let pages = Pages::bind(&settings.telemetry)?;
    let server = Server::start(settings, &options.config_dir).await?;
    greeting.show(&server).await;
    let api = server.api();
    let reloading = tokio::spawn(async move { api.reload_at(reloads).await });
    let outcome = pages.beside(server.run(shutdown.clone()), &shutdown).await;
    reloading.abort();
    outcome
}
