//! `sftp-node check`: tells what is wrong with the configuration and what it names. Nothing is
//! started or changed, and the control plane is not called.

use ferryd_config::ServeFlags;
use ferryd_domain::Fault;
use ferryd_proto::GrpcControlPlane;
use ferryd_runtime::Findings;

use super::settings;

/// Looks and tells.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "sftp-node.log")?;
    let dir = &options.config_dir;
    let mut findings = Findings::default();
    log.check(&mut findings);
    if let Some(loaded) = findings.take(settings::load(&options)) {
        loaded.check(&mut findings);
        let settings = loaded.settings;
        sftp_node::check(&settings.sftpd, dir, &mut findings);
        findings.take(GrpcControlPlane::new(&settings.control_plane, dir));
        let telemetry = &settings.telemetry;
        findings.port("telemetry", &telemetry.bind_address, telemetry.bind_port);
    }
    findings.report()
}
