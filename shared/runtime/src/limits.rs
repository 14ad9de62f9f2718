//! What the process is allowed: limits that the system sets lower than a server needs, and the mode
//! of new files.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Allows as many open files as the system lets us have; each connection and transfer takes one
/// or more. Returns the limit, `None` for no limit.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let open_files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    tracing::debug!(sender = "service", open_files, "limit of open files");
    open_files
}

/// Takes these permissions away from every file and directory that the process makes from now on.
pub fn set_umask(bits: u32) {
    umask(Mode::from_raw_mode(bits));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_in_force_is_the_one_that_is_told() {
        let told = raise_open_files();
        assert_eq!(getrlimit(Resource::Nofile).current, told);
    }
}
