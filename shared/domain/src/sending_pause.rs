//! Sending pauses: while one is in force, the messages of an organization stay queued, in their order.
//!
//! The owner pauses and resumes sending. The product pauses it if the carrier refuses the account or is down,
//! and resumes when the carrier is well again. A pause by the owner replaces an automatic one, and only the
//! owner ends it.
//!
//! ```
//! use std::time::Duration;
//! use shared_domain::{sending_pause::{PauseCause, SendingPause}, time::Timestamp};
//!
//! let since = Timestamp::from_millis(1_800_000_000_000);
//! let pause = SendingPause::automatic(PauseCause::AccountRefused, since);
//! assert!(!pause.is_probe_due(since + Duration::from_secs(29)));
//! assert!(pause.is_probe_due(since + Duration::from_secs(30)));
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{time::Timestamp, user::UserRef};

/// How many sends in a row may end without a usable answer before sending pauses. One such answer is a
/// message with an unknown outcome; this many are an outage.
pub const MAX_LOST_ANSWERS: u32 = 5;

/// The shortest interval between two probes of the carrier.
const MIN_PROBE_INTERVAL: Duration = Duration::from_secs(30);
/// The longest interval between two probes, and so the longest time that a repaired account waits.
const MAX_PROBE_INTERVAL: Duration = Duration::from_mins(5);
/// The shortest and the longest delay of a queued message before the queue delivers it again.
const MIN_DELAY: Duration = Duration::from_secs(15);
const MAX_DELAY: Duration = Duration::from_mins(10);
/// Intervals are this fraction of the pause's age, so that a short pause ends at once and a long one costs
/// little.
const AGE_FRACTION: u32 = 10;

/// Why sending is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PauseCause {
    /// The owner paused sending.
    Owner,
    /// The carrier does not accept the account or its credentials.
    AccountRefused,
    /// The carrier cannot be reached, is out of service, or lost [`MAX_LOST_ANSWERS`] answers in a row.
    CarrierDown,
}

impl PauseCause {
    /// The name in the API and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::AccountRefused => "account_refused",
            Self::CarrierDown => "carrier_down",
        }
    }
}

/// A pause that is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingPause {
    /// Why sending is paused.
    pub cause: PauseCause,
    /// When the pause began.
    pub since: Timestamp,
    /// Who paused sending. `None` if the product did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<UserRef>,
    /// When the carrier was last asked whether it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed_at: Option<Timestamp>,
}

impl SendingPause {
    /// A pause by the owner.
    pub fn manual(by: UserRef, since: Timestamp) -> Self {
        Self { cause: PauseCause::Owner, since, by: Some(by), probed_at: None }
    }

    /// A pause by the product.
    pub fn automatic(cause: PauseCause, since: Timestamp) -> Self {
        Self { cause, since, by: None, probed_at: None }
    }

    /// Whether the product ends the pause when the carrier is well.
    pub fn is_automatic(&self) -> bool {
        self.cause != PauseCause::Owner
    }

    /// Whether the carrier must be asked now. Never for a pause by the owner.
    pub fn is_probe_due(&self, now: Timestamp) -> bool {
        let last = self.probed_at.unwrap_or(self.since);
        let interval = self.fraction_of_age(last).clamp(MIN_PROBE_INTERVAL, MAX_PROBE_INTERVAL);
        self.is_automatic() && now >= last + interval
    }

    /// How long a message waits before the queue delivers it again.
    pub fn delay(&self, now: Timestamp) -> Duration {
        self.fraction_of_age(now).clamp(MIN_DELAY, MAX_DELAY)
    }

    fn fraction_of_age(&self, at: Timestamp) -> Duration {
        let age = u64::try_from(at.millis() - self.since.millis()).unwrap_or(0);
        Duration::from_millis(age) / AGE_FRACTION
    }
}

/// What the sender knows about sending in an organization.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SendingState {
    /// The pause in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pause: Option<SendingPause>,
    /// How many sends in a row got no usable answer.
    #[serde(default)]
    pub lost_answers: u32,
    /// When the last pause ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resumed_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::UserId;

    const SINCE: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn manual() -> SendingPause {
        SendingPause::manual(UserRef { id: UserId::parse("olga").unwrap(), name: "Olga".into() }, SINCE)
    }

    #[test]
    fn only_an_automatic_pause_is_probed() {
        let later = SINCE + Duration::from_hours(5);
        for cause in [PauseCause::AccountRefused, PauseCause::CarrierDown] {
            assert!(SendingPause::automatic(cause, SINCE).is_probe_due(later), "{cause:?}");
        }
        assert!(!manual().is_probe_due(later));
    }

    #[test]
    fn a_long_pause_is_probed_less_often_and_at_least_every_five_minutes() {
        let mut pause = SendingPause::automatic(PauseCause::CarrierDown, SINCE);
        let mut now = SINCE;
        let mut intervals = Vec::new();
        while now < SINCE + Duration::from_hours(2) {
            now = now + Duration::from_secs(1);
            if pause.is_probe_due(now) {
                intervals.push(now.millis() - pause.probed_at.unwrap_or(SINCE).millis());
                pause.probed_at = Some(now);
            }
        }
        assert_eq!((intervals.first(), intervals.last()), (Some(&30_000), Some(&300_000)));
        assert!(intervals.is_sorted(), "{intervals:?}");
    }

    #[test]
    fn messages_wait_between_fifteen_seconds_and_ten_minutes() {
        let pause = manual();
        for (age, delay) in [(0, 15), (60, 15), (600, 60), (86_400, 600)] {
            let now = SINCE + Duration::from_secs(age);
            assert_eq!(pause.delay(now), Duration::from_secs(delay), "after {age} s");
        }
        assert_eq!(pause.delay(SINCE - Duration::from_secs(5)), MIN_DELAY, "a clock that is behind");
    }

    #[test]
    fn a_queue_message_outlasts_a_pause_of_six_days() {
        const MAX_RECEIVES: u32 = 1_000;
        let (pause, mut now) = (manual(), SINCE);
        for _ in 0..MAX_RECEIVES {
            now = now + pause.delay(now);
        }
        assert!(now > SINCE + Duration::from_hours(6 * 24));
    }
}
