//! Signals: SIGTERM and SIGINT end the process in order, SIGHUP asks for a reload.

use ferryd_domain::Fault;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status when somebody did not want to wait for the orderly end.
const IMPATIENT: i32 = 130;

/// Returns a token that the first SIGTERM or SIGINT cancels. The second one ends the process at
/// once.
///
/// # Errors
/// `Failed` when the signals cannot be caught.
pub fn on_termination() -> Result<CancellationToken, Fault> {
    let mut terminate = catch(SignalKind::terminate())?;
    let mut interrupt = catch(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!(sender = "service", "shutdown was asked for");
        cancelled.cancel();
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(IMPATIENT);
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// The SIGHUPs that this process gets.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// Starts catching; before that a SIGHUP ends the process.
    ///
    /// # Errors
    /// `Failed` when the signal cannot be caught.
    pub fn catch() -> Result<Self, Fault> {
        catch(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one; `None` when none can come any more.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

fn catch(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|error| Fault::failed("signals cannot be caught").because(error))
}
