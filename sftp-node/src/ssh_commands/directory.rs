//! `cd` and `pwd`, for clients that ask for the directory before they transfer.

use ferryd_domain::Fault;

/// `cd`: there is nowhere to go, and that is no error.
pub(super) fn change() -> Result<Vec<u8>, Fault> {
    Ok(Vec::new())
}

/// `pwd`: always the root.
pub(super) fn print() -> Result<Vec<u8>, Fault> {
    Ok(b"/\n".to_vec())
}
