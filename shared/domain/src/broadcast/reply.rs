//! Replies to a broadcast: which inbound message counts as one.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{BroadcastRef, RecipientState};
use crate::{field::FieldError, message::DeliveryState, time::Timestamp};

/// The text of a broadcast, as its conversation keeps it to recognize the reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the other names say it all")]
pub struct Asked {
    #[serde(flatten)]
    pub of: BroadcastRef,
    /// When the text was released.
    pub at: Timestamp,
    #[serde(rename = "h")]
    pub window_hours: u16,
    /// Whether the broadcast asks a question.
    #[serde(rename = "q", default, skip_serializing_if = "std::ops::Not::not")]
    pub question: bool,
}

impl Asked {
    /// Whether a message that arrived at this time is within the reply window.
    pub fn is_open(&self, received_at: Timestamp) -> bool {
        ReplyWindow::of_hours(self.window_hours).contains(self.at, received_at)
    }
}

/// Whether a recipient can have read the text, so that a message may answer it: not while the text waits, nor
/// if it did not go out or did not arrive. `text` is the state of its message, which counts while the
/// recipient is queued. Of two texts, a message answers the later one for which this holds.
pub fn can_be_answered(recipient: RecipientState, text: Option<DeliveryState>) -> bool {
    use RecipientState::{Delivered, Failed, Held, Pending, Queued, Sent, Skipped, Undelivered};
    match recipient {
        Sent | Delivered => true,
        // The carrier may have a text whose outcome is not known.
        Queued => text.is_some_and(|text| !text.is_failure() && text > DeliveryState::Queued),
        Pending | Held | Undelivered | Failed | Skipped => false,
    }
}

/// The longest reply window, in hours: thirty days.
const MAX_HOURS: u16 = 720;

/// How long after its text an inbound message counts as a reply. Messages do not say what they answer, so the
/// first one within the window does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyWindow(Duration);

impl Default for ReplyWindow {
    fn default() -> Self {
        Self(Duration::from_hours(u64::from(Self::DEFAULT_HOURS)))
    }
}

/// What is known about a recipient when an inbound message arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyFacts {
    /// When the text of the broadcast was released.
    pub released_at: Timestamp,
    /// When a user last wrote to the recipient in the same conversation.
    pub last_user_message_at: Option<Timestamp>,
    /// Whether the recipient has replied before.
    pub has_replied: bool,
}

impl ReplyWindow {
    /// The default, in hours.
    pub const DEFAULT_HOURS: u16 = 72;

    /// Parses a number of hours.
    ///
    /// # Errors
    /// [`FieldError`] at `pointer` unless it is 1 to 720.
    pub fn parse(pointer: &str, hours: u16) -> Result<Self, FieldError> {
        let fits = (1..=MAX_HOURS).contains(&hours);
        fits.then(|| Self(Duration::from_hours(u64::from(hours))))
            .ok_or_else(|| FieldError::new(pointer, "a number of hours, 1 to 720"))
    }

    /// The window of a stored broadcast, which was checked when it was defined.
    pub fn of_hours(hours: u16) -> Self {
        Self(Duration::from_hours(u64::from(hours.min(MAX_HOURS))))
    }

    /// Whether a message that arrived at this time can be a reply to a text that was released then.
    pub fn contains(self, released_at: Timestamp, received_at: Timestamp) -> bool {
        received_at >= released_at && released_at.duration_until(received_at) <= self.0
    }

    /// Whether a message that arrived at this time is the recipient's reply to the broadcast: the first one,
    /// within the window, and not an answer to a newer message of a user.
    pub fn is_reply(self, facts: ReplyFacts, received_at: Timestamp) -> bool {
        let ReplyFacts { released_at, last_user_message_at, has_replied } = facts;
        let is_within = self.contains(released_at, received_at);
        let is_newest = last_user_message_at.is_none_or(|at| at < released_at || at > received_at);
        is_within && is_newest && !has_replied
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::BroadcastId;

    const RELEASED: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const FACTS: ReplyFacts =
        ReplyFacts { released_at: RELEASED, last_user_message_at: None, has_replied: false };
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_first_message_within_the_window_is_the_reply() {
        let window = ReplyWindow::default();
        let last = RELEASED + Duration::from_hours(72);
        assert!(window.is_reply(FACTS, RELEASED) && window.is_reply(FACTS, last));
        assert!(!window.is_reply(FACTS, last + Duration::from_millis(1)));
        assert!(!window.is_reply(FACTS, RELEASED - Duration::from_millis(1)), "it came before the text");
        let again = ReplyFacts { has_replied: true, ..FACTS };
        assert!(!window.is_reply(again, RELEASED + MINUTE));
    }

    #[test]
    fn an_answer_to_a_newer_message_of_a_user_is_no_reply() {
        let wrote = |at| ReplyFacts { last_user_message_at: Some(at), ..FACTS };
        let received = RELEASED + 2 * MINUTE;
        let window = ReplyWindow::default();
        assert!(!window.is_reply(wrote(RELEASED + MINUTE), received));
        assert!(window.is_reply(wrote(RELEASED - MINUTE), received));
        assert!(window.is_reply(wrote(RELEASED + 3 * MINUTE), received), "the message is read late");
    }

    #[test]
    fn a_text_can_be_answered_once_the_carrier_may_have_it_unless_it_did_not_arrive() {
        use RecipientState::{Delivered, Failed, Held, Pending, Queued, Sent, Skipped, Undelivered};
        let answerable = RecipientState::ALL.map(|state| can_be_answered(state, None));
        let expected = RecipientState::ALL.map(|state| match state {
            Sent | Delivered => true,
            Pending | Held | Queued | Undelivered | Failed | Skipped => false,
        });
        assert_eq!(answerable, expected);
        for (text, expected) in [
            (DeliveryState::Queued, false),
            (DeliveryState::Sending, true),
            (DeliveryState::Unknown, true),
            (DeliveryState::Sent, true),
            (DeliveryState::Failed, false),
            (DeliveryState::Undelivered, false),
            (DeliveryState::Delivered, true),
        ] {
            assert_eq!(can_be_answered(Queued, Some(text)), expected, "{text:?}");
            assert!(can_be_answered(Sent, Some(text)), "the recipient follows its message later: {text:?}");
            assert!(!can_be_answered(Undelivered, Some(text)), "{text:?}");
        }
    }

    #[test]
    fn a_text_is_open_from_its_release_to_the_end_of_its_window() {
        let of = BroadcastRef { broadcast: BroadcastId::parse("bct_1").unwrap(), preparation: 1 };
        let asked = Asked { of, at: RELEASED, window_hours: 1, question: false };
        let hour = RELEASED + Duration::from_hours(1);
        assert!(asked.is_open(RELEASED) && asked.is_open(hour));
        assert!(!asked.is_open(RELEASED - MINUTE) && !asked.is_open(hour + MINUTE));
    }

    #[test]
    fn a_reply_window_has_1_to_720_hours() {
        assert_eq!(ReplyWindow::parse("", 72), Ok(ReplyWindow::default()));
        assert_eq!(ReplyWindow::of_hours(72), ReplyWindow::default());
        assert!(ReplyWindow::parse("", 1).is_ok() && ReplyWindow::parse("", 720).is_ok());
        for bad in [0, 721] {
            let errors = ReplyWindow::parse("/replyWindowHours", bad).unwrap_err();
            assert_eq!(errors.pointer, "/replyWindowHours");
        }
    }
}
