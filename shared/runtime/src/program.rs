//! What every program does around its work: chooses the crypto provider and tells how it ended.

use std::process::ExitCode;

use ferryd_domain::Fault;
use tokio_util::sync::CancellationToken;

use crate::terminal;

/// Runs a program and returns its exit status; a fault is shown on standard error.
pub fn run(name: &str, work: impl FnOnce() -> Result<(), Fault>) -> ExitCode {
    choose_crypto();
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            terminal::say(format_args!("{name}: {fault}"));
            ExitCode::FAILURE
        }
    }
}

/// Chooses the crypto provider of TLS for this process. The first choice counts, and all choose
/// the same (docs/decisions/0001).
pub fn choose_crypto() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Runs one part of a program; when it ends, for whatever reason, the others are to end as well.
///
/// # Errors
/// Those of the part.
pub async fn ends_all(
    part: impl Future<Output = Result<(), Fault>>,
    shutdown: &CancellationToken,
) -> Result<(), Fault> {
    let outcome = part.await;
    shutdown.cancel();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_tells_of_a_fault() {
        assert_eq!(run("x", || Ok(())), ExitCode::SUCCESS);
        assert_eq!(run("x", || Err(Fault::failed("port"))), ExitCode::FAILURE);
    }

    #[tokio::test]
    async fn a_part_that_ends_stops_the_others() {
        let shutdown = CancellationToken::new();
        assert!(ends_all(async { Err(Fault::failed("port")) }, &shutdown).await.is_err());
        assert!(shutdown.is_cancelled());
    }
}
