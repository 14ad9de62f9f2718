//! `sftp-node serve`: from the settings to the running server and its orderly end. The control
//! plane may be started later and may go away; transfers do not need it.

use std::sync::Arc;

use ferryd_config::{ConfigOptions, Loaded, LogOptions, ServeFlags};
use ferryd_domain::Fault;
use ferryd_proto::GrpcControlPlane;
use ferryd_runtime::{Requests, limits, terminal};
use ferryd_telemetry::Pages;
use sftp_node::{Bound, SftpNode};

use super::settings::{self, Settings};

/// Serves until SIGTERM or SIGINT.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let start = flags.start("sftp-node.log", settings::load, |settings| &settings.log)?;
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
    decline_reloads()?;
    ferryd_telemetry::reopen_on_request()?;
    ferryd_runtime::survive_meaningless();
    ferryd_runtime::orphans::reap_orphans()?;
    limits::set_umask(settings.sftpd.umask_bits());
    limits::raise_open_files();
    let url = settings.control_plane.url.clone();
    let control_plane = GrpcControlPlane::new(&settings.control_plane, &options.config_dir)?;
    let pages = Pages::bind(&settings.telemetry)?;
    let bound =
        SftpNode::bind(settings.sftpd, &options.config_dir, Arc::new(control_plane)).await?;
    tell_addresses(&bound, &url, &log);
    pages.beside(bound.run(shutdown.clone()), &shutdown).await
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
