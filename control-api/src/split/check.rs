//! `control-api check`: tells what is wrong with the configuration and what it names. Nothing is
//! started or changed.

use ferryd_config::ServeFlags;
use ferryd_domain::Fault;
use ferryd_runtime::Findings;

use super::settings;

/// Looks and tells.
pub(crate) async fn run(flags: ServeFlags) -> Result<(), Fault> {
    let options = flags.config.resolve();
    let log = flags.log.resolve(&options, "control-api.log")?;
    let dir = &options.config_dir;
    let mut findings = Findings::default();
    log.check(&mut findings);
    if let Some(loaded) = findings.take(settings::load(&options)) {
        loaded.check(&mut findings);
        findings.take(ferryd_proto::GrpcServer::check(&loaded.settings.grpc, dir));
        control_api::check(&loaded.settings.into_parts(dir), &mut findings).await;
    }
    findings.report()
}
