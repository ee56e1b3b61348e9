//! Waiting with a limit.

use std::time::{Duration, Instant};

/// Long enough for background work, even while the sender waits for a carrier that does not answer. What
/// fails once on a busy machine is tried again after half a minute.
pub const WAIT_TIMEOUT: Duration = Duration::from_secs(90);
/// Long enough for an event that comes behind those of a large import, which another journey makes.
pub const EVENT_TIMEOUT: Duration = Duration::from_mins(3);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Calls `probe` until it returns a value, and returns that value. Panics with `what` after `within`.
pub async fn eventually<T>(what: &str, within: Duration, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "timed out after {within:?}: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until a time from a response, such as `expiresAt`.
pub async fn until(instant: jiff::Timestamp) {
    let left = instant.duration_since(jiff::Timestamp::now());
    tokio::time::sleep(left.try_into().unwrap_or_default()).await;
}
