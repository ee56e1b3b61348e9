//! A clock that a test sets, and how long a test waits.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use shared_domain::time::Timestamp;

/// Longer than anything takes that a test waits for, also on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that another task does. Panics after [`PATIENCE`], so that a test that would wait for
/// ever fails and says for what.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("{what}: not within {} seconds", PATIENCE.as_secs()))
}

/// Returns the same time until it is moved.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// Starts at this time.
    pub fn at(start: Timestamp) -> Self {
        Self(AtomicI64::new(start.millis()))
    }

    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }

    /// Returns the current time and then moves it forward.
    pub fn now_then_advance(&self, by: Duration) -> Timestamp {
        let millis = i64::try_from(by.as_millis()).unwrap();
        Timestamp::from_millis(self.0.fetch_add(millis, Ordering::Relaxed))
    }
}

impl Default for TestClock {
    /// Starts at 2026-09-21T14:13:20Z.
    fn default() -> Self {
        Self::at(Timestamp::from_millis(1_790_000_000_000))
    }
}
