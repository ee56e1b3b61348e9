//! Retention: how long a team keeps its messages and files.
//!
//! ```
//! use shared_domain::retention::RetentionDays;
//!
//! assert_eq!(RetentionDays::parse("/retentionDays", 30).unwrap().get(), 30);
//! assert!(RetentionDays::parse("/retentionDays", 0).is_err());
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    field::FieldError,
    media::{Media, MediaState},
    message::{Direction, Message},
    team::Team,
    time::Timestamp,
};

/// About a hundred years.
pub const MAX_RETENTION_DAYS: u16 = 36_500;

/// How long a message is kept that still waits to be sent. Queues and their dead letters, from where it could
/// be sent, keep it for 28 days. One that is redriven later finds no message and sends nothing.
pub const MAX_WAIT: Duration = Duration::from_hours(30 * 24);

/// How long an upload could be attached to messages: seven days, and S3 rounds up to the end of a day.
const UPLOAD_LIFE: Duration = Duration::from_hours(8 * 24);

const DAYS: &str = "1 to 36500 days, or null";

/// A whole number of days of 24 hours, from 1 to [`MAX_RETENTION_DAYS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RetentionDays(u16);

impl RetentionDays {
    /// Checks a number of days.
    ///
    /// # Errors
    /// [`FieldError`] at `pointer` if it is not from 1 to [`MAX_RETENTION_DAYS`].
    pub fn parse(pointer: &str, days: i64) -> Result<Self, FieldError> {
        let days = u16::try_from(days).ok().and_then(|days| Self::try_from(days).ok());
        days.ok_or_else(|| FieldError::new(pointer, DAYS))
    }

    /// Returns the number of days.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Returns the time before which the messages of a team expire. `None` if none expires: the team keeps them
/// forever, or is under a legal hold.
pub fn cutoff(team: &Team, now: Timestamp) -> Option<Timestamp> {
    let days = team.retention.filter(|_| !team.hold)?;
    Some(now - Duration::from_hours(24) * u32::from(days.get()))
}

/// Whether a message has expired. One that waits to be sent is kept, at most for [`MAX_WAIT`]: its author
/// expects that it is sent. One whose files younger messages may have is kept until those have expired too.
pub fn has_expired(message: &Message, cutoff: Timestamp, now: Timestamp) -> bool {
    let cutoff = if shares_files(message) { cutoff - UPLOAD_LIFE } else { cutoff };
    message.created_at < cutoff && !(is_waiting(message) && now < message.created_at + MAX_WAIT)
}

/// Whether other messages may have the files of a message: those with the same upload shared one, before each
/// message had its own copy.
fn shares_files(message: &Message) -> bool {
    let is_shared = |media: &Media| media.copy.is_none() && matches!(media.state, MediaState::Stored { .. });
    message.direction == Direction::Outbound && message.media.iter().any(is_shared)
}

/// Whether a message waits to be sent, or its outcome is unknown.
pub fn is_waiting(message: &Message) -> bool {
    message.direction == Direction::Outbound && !message.delivery.state().is_settled()
}

/// A stored number of days that is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} days is not from 1 to {MAX_RETENTION_DAYS}")]
pub struct RetentionDaysError(u16);

impl TryFrom<u16> for RetentionDays {
    type Error = RetentionDaysError;

    fn try_from(days: u16) -> Result<Self, RetentionDaysError> {
        if (1..=MAX_RETENTION_DAYS).contains(&days) { Ok(Self(days)) } else { Err(RetentionDaysError(days)) }
    }
}

impl From<RetentionDays> for u16 {
    fn from(days: RetentionDays) -> Self {
        days.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ids::{ConversationId, InboxId, MessageId, TeamId},
        message::{Delivery, DeliveryState},
        phone::{Channel, PhoneNumber},
        registration::RegistrationStatus,
    };

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const DAY: Duration = Duration::from_hours(24);

    fn team(hold: bool, days: Option<u16>) -> Team {
        Team {
            id: TeamId::parse("team_1").unwrap(),
            name: "Clinic".into(),
            registration: RegistrationStatus::Approved,
            messaging_service: None,
            segments_per_second: None,
            hold,
            retention: days.map(|days| RetentionDays::try_from(days).unwrap()),
        }
    }

    /// A message of this age.
    fn message(direction: Direction, state: DeliveryState, age: Duration) -> Message {
        let (inbox, number) =
            (InboxId::parse("inb_1").unwrap(), PhoneNumber::from_carrier("+12025550143").unwrap());
        let (conversation, created_at) = (ConversationId::of(&inbox, &number), NOW - age);
        Message {
            id: MessageId::in_conversation(&conversation, created_at, 0),
            conversation,
            inbox,
            team: TeamId::parse("team_1").unwrap(),
            personal: false,
            inbox_number: number.clone(),
            contact_number: number,
            direction,
            channel: Channel::Sms,
            text: "Hi".into(),
            media: Vec::new(),
            sender: None,
            automatic: false,
            bypass_opt_out: false,
            created_at,
            messaging_service: None,
            carrier_id: None,
            retry_of: None,
            retried_by: None,
            broadcast: None,
            send_until: None,
            delivery: Delivery::starting(state, created_at),
        }
    }

    #[test]
    fn a_team_has_a_cutoff_unless_it_keeps_messages_forever_or_is_under_a_hold() {
        assert_eq!(cutoff(&team(false, Some(30)), NOW), Some(NOW - 30 * DAY));
        assert_eq!(cutoff(&team(true, Some(30)), NOW), None);
        assert_eq!(cutoff(&team(false, None), NOW), None);
        let century = cutoff(&team(false, Some(MAX_RETENTION_DAYS)), NOW).unwrap();
        assert!(century < Timestamp::from_millis(0), "before any message");
    }

    #[test]
    fn a_message_expires_when_it_is_older_than_its_team_keeps_it() {
        let cutoff = NOW - DAY;
        for (direction, state) in [
            (Direction::Inbound, DeliveryState::Received),
            (Direction::Outbound, DeliveryState::Sent),
            (Direction::Outbound, DeliveryState::Failed),
            (Direction::Outbound, DeliveryState::Undelivered),
            (Direction::Outbound, DeliveryState::Delivered),
        ] {
            assert!(!has_expired(&message(direction, state, DAY), cutoff, NOW), "{state:?}");
            let older = message(direction, state, DAY + Duration::from_millis(1));
            assert!(has_expired(&older, cutoff, NOW), "{state:?}");
        }
    }

    #[test]
    fn a_message_that_waits_to_be_sent_is_kept_for_thirty_days() {
        for state in [DeliveryState::Queued, DeliveryState::Sending, DeliveryState::Unknown] {
            let (message, end) = (message(Direction::Outbound, state, Duration::ZERO), NOW + MAX_WAIT);
            assert!(!has_expired(&message, end - DAY, end - Duration::from_millis(1)), "{state:?}");
            assert!(has_expired(&message, end - DAY, end), "{state:?}");
            assert!(!has_expired(&message, NOW, end), "{state:?}");
        }
    }

    #[test]
    fn days_are_from_one_to_a_hundred_years() {
        for days in [1, 30, MAX_RETENTION_DAYS] {
            let parsed = RetentionDays::parse("/retentionDays", days.into());
            assert_eq!(parsed.map(RetentionDays::get), Ok(days));
        }
        for days in [i64::MIN, -1, 0, 36_501, 65_537, i64::MAX] {
            let error = RetentionDays::parse("/retentionDays", days).unwrap_err();
            assert_eq!(error, FieldError::new("/retentionDays", DAYS), "{days}");
        }
    }
}
