//! Threads for password work, of low priority: key logins and transfers win the CPU. One is made for
//! each check; that takes a thousandth of the check, and an idle server has none.

use ferryd_domain::Fault;
use tokio::sync::oneshot;

use super::Permit;

/// A third of the CPU of a thread that has not been lowered, when both want it. With less, password
/// logins time out on a machine that others keep busy.
const NICE: i32 = 5;

/// Runs work on a thread of its own. Work that has started runs to its end and keeps its permit,
/// even when nobody waits for it any more.
pub(super) async fn run<T, F>(permit: Permit, work: F) -> Result<T, Fault>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new().name("password".to_owned()).spawn(move || {
        lower_priority();
        let result = work();
        drop(permit);
        // Nobody listens when the client is gone.
        drop(tell.send(result));
    });
    // Its end is the answer; the permit bounds how many there are.
    thread.map_err(|error| Fault::unavailable("thread for a password").because(error))?;
    told.await.map_err(|error| Fault::internal("password work").because(error))
}

fn lower_priority() {
    let thread = rustix::thread::gettid();
    // A server that runs at a still lower priority keeps that one.
    let own = rustix::process::getpriority_process(Some(thread)).unwrap_or(0);
    if let Err(error) = rustix::process::setpriority_process(Some(thread), NICE.max(own)) {
        tracing::debug!(sender = "auth", %error, "password work keeps its priority");
    }
}
