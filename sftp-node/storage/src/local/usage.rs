//! What is stored below a directory, for quota scans. Blocks.

use std::path::Path;

use ferryd_domain::{Fault, FaultKind, QuotaUsage};

use super::temporary::is_temporary;
use super::tree::regular_files;
use super::{LocalOptions, Root};

/// Counts regular files and their bytes; a directory that is missing holds nothing.
///
/// # Errors
/// Those of opening the directory; `Failed` when `goes_on` says no.
pub(crate) fn usage(directory: &Path, goes_on: &dyn Fn() -> bool) -> Result<QuotaUsage, Fault> {
    let root = match Root::open(directory, LocalOptions::default()) {
        Err(fault) if fault.kind() == FaultKind::NotFound => return Ok(QuotaUsage::default()),
        opened => opened?,
    };
    let mut usage = QuotaUsage::default();
    regular_files(&root, &mut |_, name, stat| {
        if !goes_on() {
            return Err(Fault::failed("told to stop"));
        }
        // What an upload keeps beside its target is counted when it has come to its place.
        if !is_temporary(name) {
            usage = usage.changed_by(stat.st_size, 1);
        }
        Ok(())
    })?;
    Ok(usage)
}
