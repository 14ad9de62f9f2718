//! `ferryd serve`: from the settings to the running servers and their orderly end.

use ferryd_config::ConfigOptions;
use ferryd_domain::Fault;
use ferryd_runtime::{CancellationToken, Requests};
use ferryd_telemetry::Pages;

use crate::cli::ServeFlags;
use crate::greeting::Greeting;
use crate::settings::{self, Settings};
use crate::version;
use crate::wiring::{Reload, Server};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Whatever keeps a part from starting; such a fault ends the program.
pub async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "ferryd.log")?;
    let loaded = settings::load(&options)?;
    let _log = ferryd_telemetry::init(&log.settings(&loaded.settings.log))?;
    tracing::info!(sender = "service", version = version::TEXT, "ferryd starts");
    loaded.log();
    let greeting = Greeting::new(&loaded, &options, &log);
    let outcome = serve(loaded.settings, &options, greeting).await;
    match &outcome {
        Ok(()) => tracing::info!(sender = "service", "stopped"),
        Err(fault) => tracing::error!(sender = "service", error = %fault, "the server has ended"),
    }
    outcome
}

async fn serve(
    settings: Settings,
    options: &ConfigOptions,
    greeting: Greeting,
) -> Result<(), Fault> {
    let shutdown = ferryd_runtime::on_termination()?;
    let reloads = Requests::to_reload()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    prepare_process(&settings);
    let pages = Pages::bind(&settings.telemetry)?;
    let server = Server::start(settings, &options.config_dir).await?;
    greeting.show(&server).await;
    let reloading = tokio::spawn(reload_when_asked(reloads, server.reload(), shutdown.clone()));
    let outcome = pages.beside(server.run(shutdown.clone()), &shutdown).await;
    reloading.abort();
    outcome
}

/// Files of all parts get the configured permissions, and connections are not short of files.
fn prepare_process(settings: &Settings) {
    let umask = rustix::fs::Mode::from_raw_mode(settings.sftpd.umask_bits());
    rustix::process::umask(umask);
    let open_files = ferryd_runtime::limits::raise_open_files();
    tracing::debug!(sender = "service", open_files, "limit of open files");
}

async fn reload_when_asked(mut reloads: Requests, reload: Reload, shutdown: CancellationToken) {
    while reloads.next().await.is_some() && !shutdown.is_cancelled() {
        tracing::info!(sender = "service", "reload was asked for");
        reload.run().await;
    }
}
