//! Limits of the process that the system sets lower than a server needs.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many open files as the system lets us have; each connection and transfer takes one
/// or more. Returns the limit, `None` for no limit.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
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
