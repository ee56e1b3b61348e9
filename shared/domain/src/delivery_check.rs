//! When the carrier is asked about a message that stays `sent`, because a delivery report can be lost.
//!
//! The pauses grow, and end after three days: some networks report nothing after `sent`.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::{delivery_check::next_check, time::Timestamp};
//!
//! let sent_at = Timestamp::from_millis(1_800_000_000_000);
//! let hours = |hours: u64| Duration::from_secs(hours * 3600);
//! assert_eq!(next_check(sent_at, sent_at + hours(4)), Some(sent_at + hours(12)));
//! assert_eq!(next_check(sent_at, sent_at + hours(72)), None);
//! ```

use std::time::Duration;

use crate::time::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The ages of a message at which the carrier is asked again. It is first asked after a grace period.
const AGES: [Duration; 6] = [
    Duration::from_secs(30 * MINUTE),
    Duration::from_secs(3 * HOUR),
    Duration::from_secs(12 * HOUR),
    Duration::from_secs(24 * HOUR),
    Duration::from_secs(48 * HOUR),
    Duration::from_secs(72 * HOUR),
];

/// Returns when to ask again about a message that was sent at `sent_at`. `None` if it is not asked about
/// anymore.
pub fn next_check(sent_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    AGES.into_iter().map(|age| sent_at + age).find(|due| *due > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_carrier_is_asked_with_growing_pauses_for_three_days() {
        let sent_at = Timestamp::from_millis(1_800_000_000_000);
        let mut asked_at = sent_at + Duration::from_secs(5 * MINUTE);
        let mut ages = Vec::new();
        while let Some(due) = next_check(sent_at, asked_at) {
            ages.push((due.millis() - sent_at.millis()) / 60_000);
            asked_at = due;
        }
        assert_eq!(ages, [30, 180, 720, 1440, 2880, 4320]);
    }

    #[test]
    fn a_check_that_is_late_is_not_repeated_for_each_missed_age() {
        let sent_at = Timestamp::from_millis(0);
        let asked_at = sent_at + Duration::from_secs(20 * HOUR);
        assert_eq!(next_check(sent_at, asked_at), Some(sent_at + Duration::from_secs(24 * HOUR)));
    }
}
