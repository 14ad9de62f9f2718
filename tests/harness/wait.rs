//! Waiting for a condition, with a deadline.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(60);

const STEP: Duration = Duration::from_millis(20);

/// Asks again and again until there is an answer.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask).await
}

/// Like [`until`] with a deadline of one's own.
pub async fn until_within<T>(
    patience: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// Waits for one thing that happens, with the same patience.
pub async fn soon<T>(what: &str, happens: impl Future<Output = T>) -> T {
    soon_within(PATIENCE, what, happens).await
}

/// Like [`soon`] with a deadline of one's own.
pub async fn soon_within<T>(patience: Duration, what: &str, happens: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(patience, happens).await;
    outcome.unwrap_or_else(|_| panic!("gave up waiting for {what}"))
}
