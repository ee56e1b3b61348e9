//! Timestamps with millisecond precision.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::time::Timestamp;
//!
//! let now = Timestamp::parse("2026-11-22T10:00:00Z").unwrap();
//! assert_eq!((now + Duration::from_secs(60)).to_string(), "2026-11-22T10:01:00.000Z");
//! ```

use std::{
    fmt,
    ops::{Add, Sub},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. Prints as RFC 3339 in UTC with three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The timestamp this many milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Parses RFC 3339. Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_millisecond()))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The time from this instant to a later one. Zero if `later` is not later.
    pub fn duration_until(self, later: Self) -> Duration {
        Duration::from_millis(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Whole seconds since the epoch, rounded down. DynamoDB's TTL attributes are in this unit.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }
}

/// Saturates at the last representable time.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }
}

/// Saturates at the first representable time.
impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => write!(f, "{}ms", self.0), // after the year 9999
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_in_utc_with_milliseconds() {
        assert_eq!(Timestamp::from_millis(1_795_341_600_007).to_string(), "2026-11-22T10:00:00.007Z");
        assert_eq!(Timestamp::from_millis(1_795_341_600_000).to_string(), "2026-11-22T10:00:00.000Z");
    }

    #[test]
    fn seconds_round_down() {
        assert_eq!(Timestamp::from_millis(1_999).seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    }

    #[test]
    fn a_timestamp_is_parsed_from_rfc_3339_and_nothing_else() {
        let instant = Timestamp::from_millis(1_795_341_600_007);
        assert_eq!(Timestamp::parse("2026-11-22T11:00:00.007+01:00"), Some(instant));
        assert_eq!(Timestamp::parse(&instant.to_string()), Some(instant));
        assert_eq!(Timestamp::parse("2026-11-22"), None);
        assert_eq!((instant.millis(), instant.seconds()), (1_795_341_600_007, 1_795_341_600));
    }

    #[test]
    fn the_time_until_an_earlier_instant_is_zero() {
        let (earlier, later) = (Timestamp::from_millis(1_000), Timestamp::from_millis(1_250));
        assert_eq!(earlier.duration_until(later), Duration::from_millis(250));
        assert_eq!(later.duration_until(earlier), Duration::ZERO);
    }

    #[test]
    fn durations_are_added_in_milliseconds_and_saturate() {
        let instant = Timestamp::from_millis(10_000);
        assert_eq!(instant + Duration::from_millis(1_500), Timestamp::from_millis(11_500));
        assert_eq!(instant - Duration::from_millis(1_500), Timestamp::from_millis(8_500));
        assert_eq!(instant + Duration::MAX, Timestamp::from_millis(i64::MAX));
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "9223372036854775807ms");
    }
}
