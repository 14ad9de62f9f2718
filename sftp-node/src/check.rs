//! Looks at the settings of the data plane without starting or making anything.

use std::path::Path;

use ferryd_runtime::Findings;

use crate::config::SftpdConfig;
use crate::key_exchange::banner;
use crate::key_exchange::offers::Offers;

/// Adds what is wrong with the settings, the host keys and the port.
pub fn check(config: &SftpdConfig, config_dir: &Path, findings: &mut Findings) {
    let keys = crate::host_keys::existing(config, config_dir)
        .filter_map(|key| findings.take(key))
        .collect::<Vec<_>>();
    if keys.is_empty() && config.keys.is_empty() {
        findings.writable_folder("sftpd.keys, which are made at the first start", config_dir);
    }
    findings.take(Offers::build(config, keys));
    let banner_file = &config.login_banner_file;
    if !banner_file.is_empty() && banner::load(banner_file, config_dir).is_none() {
        findings.warning(format!("sftpd.login_banner_file: {banner_file} cannot be read"));
    }
    findings.port("sftpd", &config.bind_address, config.bind_port);
}
