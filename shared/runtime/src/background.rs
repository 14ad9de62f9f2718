//! The runtime of a program that serves connections on threads of their own.

use ferryd_domain::Fault;
use tokio::runtime::Builder;

/// Runs a program to its end on a runtime for everything but connections, which have a thread per
/// core of their own: half as many threads do, and a call that wakes one thread is cheaper than one
/// that wakes two.
///
/// # Errors
/// Those of the program; `Failed` when the runtime cannot be started, `Internal` after a panic.
pub fn run(program: impl Future<Output = Result<(), Fault>> + Send + 'static) -> Result<(), Fault> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(threads())
        .enable_all()
        .build()
        .map_err(|error| Fault::failed("the async runtime cannot be started").because(error))?;
    // On the threads of the runtime: this one would have to be woken for each connection.
    runtime.block_on(async {
        tokio::spawn(program)
            .await
            .unwrap_or_else(|error| Err(Fault::internal("the program ended").because(error)))
    })
}

fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

#[cfg(test)]
mod tests {
    use ferryd_domain::FaultKind;

    use super::*;

    #[test]
    fn a_program_ends_with_its_own_outcome_and_a_panic_is_a_fault() {
        assert!(run(async { Ok(()) }).is_ok());
        let refused = run(async { Err(Fault::invalid("refused")) }).unwrap_err();
        assert_eq!(refused.kind(), FaultKind::InvalidInput);
        let ended = run(async { panic!("as a defect would") }).unwrap_err();
        assert_eq!(ended.kind(), FaultKind::Internal);
    }
}
