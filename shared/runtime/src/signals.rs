//! Signals: SIGTERM and SIGINT end the process in order, SIGHUP and SIGUSR1 ask for something,
//! and what would end the process without asking for anything is survived.

use ferryd_domain::Fault;
use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit status when somebody did not want to wait for the orderly end.
const IMPATIENT: i32 = 130;

/// What ends a process by default and says nothing to this one. A timer of whoever started it, a
/// rotation script that takes it for another server, a limit on the size of files (write(2) then
/// fails with EFBIG instead) must not end the transfers of everybody.
const MEANINGLESS: [Number; 8] = [
    Number::USR2,
    Number::ALARM,
    Number::VTALARM,
    Number::PROF,
    Number::IO,
    Number::POWER,
    Number::XCPU,
    Number::XFSZ,
];

/// Real-time signals; the C library keeps those below for itself.
const REAL_TIME: std::ops::RangeInclusive<i32> = 35..=64;

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

/// Lets the process survive signals that say nothing to it. They are caught and not ignored:
/// programs that it starts get them as ever.
pub fn survive_meaningless() {
    let named = MEANINGLESS.into_iter().map(Number::as_raw);
    for number in named.chain(REAL_TIME) {
        // Once caught, a signal stays so when nobody listens any more.
        if let Err(error) = signal(SignalKind::from_raw(number)) {
            tracing::debug!(sender = "service", number, %error, "a signal keeps its meaning");
        }
    }
}

/// A signal that asks for something, and may do so again and again.
#[derive(Debug)]
pub struct Requests(Signal);

impl Requests {
    /// Starts catching SIGHUP, which asks to read again what may have changed outside.
    ///
    /// # Errors
    /// `Failed` when the signal cannot be caught.
    pub fn to_reload() -> Result<Self, Fault> {
        catch(SignalKind::hangup()).map(Self)
    }

    /// Starts catching SIGUSR1, which asks to open the log anew.
    ///
    /// # Errors
    /// `Failed` when the signal cannot be caught.
    pub fn to_reopen_log() -> Result<Self, Fault> {
        catch(SignalKind::user_defined1()).map(Self)
    }

    /// Waits for the next one; `None` when none can come any more.
    pub async fn next(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

fn catch(kind: SignalKind) -> Result<Signal, Fault> {
    signal(kind).map_err(|error| Fault::failed("signals cannot be caught").because(error))
}
