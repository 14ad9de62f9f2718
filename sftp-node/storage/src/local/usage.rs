//! What is stored below a directory, for quota scans. Blocks.

use std::path::Path;

use ferryd_domain::{Fault, FaultKind, QuotaUsage};

use super::tree::regular_files;
use super::{LocalOptions, Root};

/// Counts regular files and their bytes; a directory that is missing holds nothing.
///
/// # Errors
/// Those of opening the directory.
pub(crate) fn usage(directory: &Path) -> Result<QuotaUsage, Fault> {
    let root = match Root::open(directory, LocalOptions::default()) {
        Err(fault) if fault.kind() == FaultKind::NotFound => return Ok(QuotaUsage::default()),
        opened => opened?,
    };
    let mut usage = QuotaUsage::default();
    regular_files(&root, &mut |_, _, stat| {
        usage = usage.changed_by(stat.st_size, 1);
        Ok(())
    })?;
    Ok(usage)
}
