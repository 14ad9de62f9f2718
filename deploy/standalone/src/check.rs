//! `ferryd check`: tells what is wrong with the configuration and what it names. Nothing is started
//! or changed.

use ferryd_config::ServeFlags;
use ferryd_domain::Fault;
use ferryd_runtime::Findings;

use crate::settings;
use crate::wiring::control_api_settings;

/// Looks and tells.
///
/// # Errors
/// `InvalidInput` when something would keep the server from starting or from its work.
pub async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "ferryd.log")?;
    let dir = &options.config_dir;
    let mut findings = Findings::default();
    log.check(&mut findings);
    if let Some(loaded) = findings.take(settings::load(&options)) {
        loaded.check(&mut findings);
        let settings = loaded.settings;
        sftp_node::check(&settings.sftpd, dir, &mut findings);
        control_api::check(&control_api_settings(&settings, dir), &mut findings).await;
        let telemetry = &settings.telemetry;
        findings.port("telemetry", &telemetry.bind_address, telemetry.bind_port);
    }
    findings.report()
}
