//! `sftp-node serve`: from the settings to the running server and its orderly end. The control
//! plane may be started later and may go away; transfers do not need it.

use std::sync::Arc;

use ferryd_config::{ConfigOptions, LogOptions};
use ferryd_domain::Fault;
use ferryd_proto::GrpcControlPlane;
use ferryd_runtime::{Requests, terminal};
use ferryd_telemetry::Pages;
use sftp_node::{Bound, SftpNode};

use super::cli::ServeFlags;
use super::settings::{self, Settings};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "sftp-node.log")?;
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
    decline_reloads()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    prepare_process(&settings);
    let url = settings.control_plane.url.clone();
    let control_plane = GrpcControlPlane::new(&settings.control_plane, &options.config_dir)?;
    let pages = Pages::bind(&settings.telemetry)?;
    let bound =
        SftpNode::bind(settings.sftpd, &options.config_dir, Arc::new(control_plane)).await?;
    tell_addresses(&bound, &url, log);
    pages.beside(bound.run(shutdown.clone()), &shutdown).await
}

/// Files of users get the configured permissions, and connections are not short of files.
fn prepare_process(settings: &Settings) {
    let umask = rustix::fs::Mode::from_raw_mode(settings.sftpd.umask_bits());
    rustix::process::umask(umask);
    let open_files = ferryd_runtime::limits::raise_open_files();
    tracing::debug!(sender = "service", open_files, "limit of open files");
}

/// A node has nothing to read again, but a SIGHUP meant for all programs must not end it.
fn decline_reloads() -> Result<(), Fault> {
    let mut reloads = Requests::to_reload()?;
    tokio::spawn(async move {
        loop {
            reloads.next().await;
            tracing::info!(sender = "service", "SIGHUP: a node has nothing to load again");
        }
    });
    Ok(())
}

/// On standard error, because standard output may be the log.
fn tell_addresses(bound: &Bound, control_plane: &str, log: &LogOptions) {
    let sftp = bound.local_addr();
    let log = log.file.as_ref().map_or("standard output".into(), |file| file.to_string_lossy());
    terminal::say(format_args!(
        "sftp-node is running\n  SFTP            {sftp}\n  control plane   {control_plane}\n  \
         log             {log}"
    ));
    tracing::info!(sender = "service", %sftp, control_plane, "started");
}
