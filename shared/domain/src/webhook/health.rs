//! What failures in a row do to an endpoint. After 4, its managers get an e-mail. After 5, its circuit opens:
//! one delivery in an interval is attempted, and the others wait. After five days without a success, or with
//! the status 410, the endpoint is disabled.
//!
//! ```
//! use shared_domain::{time::Timestamp, webhook::health::Health};
//!
//! let now = Timestamp::from_millis(1_800_000_000_000);
//! let failing = (0..5).fold(Health::default(), |health, _| health.after_failure(now));
//! assert!(failing.circuit_is_open());
//! ```

use std::time::Duration;

use crate::{
    time::Timestamp,
    webhook::{delivery::Answer, endpoint::DisabledReason},
};

/// Failures in a row after which the managers get an e-mail.
pub const WARN_AFTER: u32 = 4;
/// Failures in a row after which the circuit is open.
pub const OPEN_AFTER: u32 = 5;
/// The time between two attempts while the circuit is open.
pub const PROBE_INTERVAL: Duration = Duration::from_mins(1);
/// The time without a success after which an endpoint is disabled.
pub const DISABLE_AFTER: Duration = Duration::from_hours(5 * 24);

/// The latest answers of an endpoint. Tests do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Failures since the latest success.
    pub failures: u32,
    /// The first of these failures.
    pub failing_since: Option<Timestamp>,
}

impl Health {
    /// Whether only one delivery in an interval is attempted.
    pub fn circuit_is_open(self) -> bool {
        self.failures >= OPEN_AFTER
    }

    /// Returns the health after another failure.
    #[must_use]
    pub fn after_failure(self, now: Timestamp) -> Self {
        Self { failures: self.failures.saturating_add(1), failing_since: self.failing_since.or(Some(now)) }
    }

    /// Returns whether the managers must get an e-mail about the failures, if the attempt began with the
    /// health `before`. Attempts at the same time can both return true, so the e-mail is sent once for each
    /// value of `failing_since`. An attempt that is repeated after a crash returns true as well.
    pub fn must_warn(self, before: Self) -> bool {
        self.failures >= WARN_AFTER && before.failures <= WARN_AFTER
    }

    /// Returns why an endpoint with this health must be disabled after a failure. `None` if it stays enabled.
    pub fn must_disable(self, answer: &Answer, now: Timestamp) -> Option<DisabledReason> {
        if answer.is_gone() {
            return Some(DisabledReason::Gone);
        }
        let failing = self.failing_since.map(|since| since.duration_until(now));
        failing.filter(|failing| *failing >= DISABLE_AFTER).map(|_| DisabledReason::NoSuccess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn after(failures: u32) -> Health {
        (0..failures).fold(Health::default(), |health, _| health.after_failure(NOW))
    }

    #[test]
    fn the_circuit_opens_with_the_fifth_failure_in_a_row() {
        assert!(!after(4).circuit_is_open() && after(5).circuit_is_open() && after(6).circuit_is_open());
        assert!(!Health::default().circuit_is_open());
    }

    #[test]
    fn the_e_mail_is_due_with_the_fourth_failure() {
        assert!(!after(3).must_warn(after(2)));
        assert!(after(4).must_warn(after(3)));
        assert!(after(6).must_warn(after(3)), "attempts at the same time");
        assert!(after(5).must_warn(after(4)), "repeated after a crash");
        assert!(!after(6).must_warn(after(5)));
    }

    #[test]
    fn an_endpoint_is_disabled_after_five_days_without_success_or_by_410() {
        let health = after(9);
        let failed = Answer::status(500);
        let last = NOW + DISABLE_AFTER - Duration::from_millis(1);
        assert_eq!(health.must_disable(&failed, last), None);
        assert_eq!(health.must_disable(&failed, NOW + DISABLE_AFTER), Some(DisabledReason::NoSuccess));
        assert_eq!(Health::default().must_disable(&Answer::status(410), NOW), Some(DisabledReason::Gone));
        let later = health.after_failure(NOW + DISABLE_AFTER);
        assert_eq!(later.failing_since, Some(NOW), "the first failure counts");
    }
}
