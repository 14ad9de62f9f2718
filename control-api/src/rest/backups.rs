//! Backup and restore, by POST or by the older GET: all accounts into a file below the folder of backups, and back.

mod read;
mod write;

use std::path::{Component, Path, PathBuf};

use axum::extract::State;
use axum::http::StatusCode;
use ferryd_data_provider::dump::Dump;
use ferryd_domain::{Account, Fault, FaultKind};
use ferryd_rest::{LoadMode, ScanAfterLoad};

use super::RestState;
use super::problem::{Answer, message};
use super::query::Parameters;
use crate::accounts::{Existing, Restored};

pub(super) async fn dump(State(state): State<RestState>, parameters: Parameters) -> Answer {
    let name = parameters.text("output_file").unwrap_or_default();
    let file = state.backups.join(relative("output_file", name)?);
    let layout: write::Layout = parameters.choice("indent")?;
    write::dump(&state.accounts, &file, layout).await?;
    Ok(message(StatusCode::OK, "Data saved"))
}

pub(super) async fn load(State(state): State<RestState>, parameters: Parameters) -> Answer {
    let name = parameters.text("input_file").unwrap_or_default();
    let scan_quota: ScanAfterLoad = parameters.choice("scan_quota")?;
    let existing = match parameters.choice("mode")? {
        LoadMode::Replace => Existing::Replace,
        LoadMode::KeepExisting => Existing::Keep,
    };
    let text = read::dump(&input_file(&state.backups, name)?).await?;
    for user in Dump::parse(&text)?.into_users() {
        if let Restored::Stored(account) = state.accounts.restore(user?, existing).await? {
            scan_restored(&state, *account, scan_quota).await;
        }
    }
    Ok(message(StatusCode::OK, "Data restored"))
}

/// The restore is done whether or not a scan can start.
async fn scan_restored(state: &RestState, account: Account, wanted: ScanAfterLoad) {
    let scans = match wanted {
        ScanAfterLoad::Never => false,
        ScanAfterLoad::Always => true,
        ScanAfterLoad::WithLimits => account.quota_limit().is_limited(),
    };
    if !scans {
        return;
    }
    match state.quota_scans.start(account).await {
        Ok(()) => {}
        Err(fault) if fault.kind() == FaultKind::Conflict => {}
        Err(fault) => {
            tracing::warn!(sender = "httpd", error = %fault, "a quota scan did not start")
        }
    }
}

fn input_file(backups: &Path, name: &str) -> Result<PathBuf, Fault> {
    if Path::new(name).is_absolute() && !name.contains('\0') {
        return Ok(PathBuf::from(name));
    }
    Ok(backups.join(relative("input_file", name)?))
}

/// Returns a name that stays below its folder.
fn relative(parameter: &str, name: &str) -> Result<PathBuf, Fault> {
    let invalid = || Fault::invalid(format!("invalid {parameter}"));
    if name.is_empty() || name.contains("..") || name.contains('\0') || name.ends_with('/') {
        return Err(invalid());
    }
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    if plain { Ok(path.to_owned()) } else { Err(invalid()) }
}
