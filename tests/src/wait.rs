//! Waiting with a limit.

use std::time::{Duration, Instant};

/// Enough for anything that happens by itself; the sender may be held up by a carrier that does not answer.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(100);

/// Probes until there is something, and gives it; panics with `what` when the time is over.
pub async fn eventually<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until an instant that the server named, such as `expiresAt`.
pub async fn until(instant: jiff::Timestamp) {
    let left = instant.duration_since(jiff::Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
}
