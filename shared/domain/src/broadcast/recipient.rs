//! A recipient of a broadcast: its state, and which events change it.

use serde::{Deserialize, Serialize};

use super::WaitReason;
use crate::{ids::MessageId, message::DeliveryState, time::Timestamp};

/// The state of a recipient. Each recipient is in one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientState {
    /// Its text was not released yet.
    Pending,
    /// Its text waits for something that concerns this recipient, such as its sending hours.
    Held,
    /// Its text is stored as a message and on its way to the carrier.
    Queued,
    /// The carrier accepted the text.
    Sent,
    /// The text arrived on the phone.
    Delivered,
    /// The text was sent and did not arrive.
    Undelivered,
    /// The text was certainly not sent, or the carrier gave up.
    Failed,
    /// It gets no text.
    Skipped,
}

impl RecipientState {
    /// All states, in the order of the API's `progress`.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Held,
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Undelivered,
        Self::Failed,
        Self::Skipped,
    ];

    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// Parses the name of a state. Returns `None` for an unknown name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// Whether the broadcast still has work to do for the recipient.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Held | Self::Queued)
    }
}

/// Why a recipient gets no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The number is opted out.
    OptedOut,
    /// The team blocked the number.
    Blocked,
    /// The number cannot receive messages.
    InvalidNumber,
    /// A merge field has neither a value nor a fallback.
    NoValue,
    /// The team is not registered.
    NotRegistered,
    /// The inbox was retired.
    Retired,
    /// The user who confirmed the broadcast has no access to the inbox anymore.
    NoAccess,
    /// The recipient has answered an earlier text of the broadcast.
    Replied,
    /// The broadcast was canceled.
    Canceled,
    /// The text was not released in time.
    Expired,
}

impl SkipReason {
    /// All reasons, in the order in which they are checked.
    pub const ALL: [Self; 10] = [
        Self::InvalidNumber,
        Self::Blocked,
        Self::OptedOut,
        Self::NoValue,
        Self::NotRegistered,
        Self::Retired,
        Self::NoAccess,
        Self::Replied,
        Self::Canceled,
        Self::Expired,
    ];

    /// The name in the API and in stored items.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OptedOut => "opted_out",
            Self::Blocked => "blocked",
            Self::InvalidNumber => "invalid_number",
            Self::NoValue => "no_value",
            Self::NotRegistered => "not_registered",
            Self::Retired => "retired",
            Self::NoAccess => "no_access",
            Self::Replied => "replied",
            Self::Canceled => "canceled",
            Self::Expired => "expired",
        }
    }
}

/// What happened to a recipient so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say it all")]
pub enum Recipient {
    /// Nothing.
    Pending,
    /// It is looked at again at `until`.
    Held { reason: WaitReason, until: Timestamp },
    /// It has a message.
    Messaged { message: MessageId, delivery: DeliveryState },
    /// It gets no text.
    Skipped { reason: SkipReason },
}

/// What happens to a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the fields say it all")]
pub enum RecipientEvent {
    /// Its text has to wait.
    Hold { reason: WaitReason, until: Timestamp },
    /// Its message is stored, in the same write.
    Queue { message: MessageId },
    /// It is left out.
    Skip { reason: SkipReason },
    /// Its failed message is sent again by another one, in the same write.
    Retry { failed: MessageId, message: MessageId },
    /// The delivery state of its message changed.
    Report { message: MessageId, delivery: DeliveryState },
}

impl Recipient {
    /// The state in the API.
    pub fn state(&self) -> RecipientState {
        match self {
            Self::Pending => RecipientState::Pending,
            Self::Held { .. } => RecipientState::Held,
            Self::Skipped { .. } => RecipientState::Skipped,
            Self::Messaged { delivery, .. } => match delivery {
                DeliveryState::Received
                | DeliveryState::Queued
                | DeliveryState::Sending
                | DeliveryState::Unknown => RecipientState::Queued,
                DeliveryState::Sent => RecipientState::Sent,
                DeliveryState::Delivered => RecipientState::Delivered,
                DeliveryState::Undelivered => RecipientState::Undelivered,
                DeliveryState::Failed => RecipientState::Failed,
            },
        }
    }

    /// The recipient after an event, or `None` if the event changes nothing: it came late, came twice, or is
    /// about another message. A recipient with a message never gets a second one.
    pub fn after(&self, event: RecipientEvent) -> Option<Self> {
        let waits = matches!(self, Self::Pending | Self::Held { .. });
        let next = match event {
            RecipientEvent::Hold { reason, until } if waits => Self::Held { reason, until },
            RecipientEvent::Skip { reason } if waits => Self::Skipped { reason },
            RecipientEvent::Queue { message } if waits => {
                Self::Messaged { message, delivery: DeliveryState::Queued }
            }
            RecipientEvent::Retry { failed, message } if self.has_failed(&failed) => {
                Self::Messaged { message, delivery: DeliveryState::Queued }
            }
            RecipientEvent::Report { message, delivery } => {
                let known = self.delivery_of(&message)?;
                (delivery.rank() > known.rank()).then_some(Self::Messaged { message, delivery })?
            }
            _ => return None,
        };
        (next != *self).then_some(next)
    }

    fn has_failed(&self, message: &MessageId) -> bool {
        self.delivery_of(message).is_some_and(DeliveryState::is_failure)
    }

    fn delivery_of(&self, message: &MessageId) -> Option<DeliveryState> {
        match self {
            Self::Messaged { message: own, delivery } if own == message => Some(*delivery),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Progress, *};

    fn message(name: &str) -> MessageId {
        MessageId::parse(&format!("msg_{name}")).unwrap()
    }

    fn queued() -> Recipient {
        Recipient::Pending.after(RecipientEvent::Queue { message: message("1") }).unwrap()
    }

    fn report(delivery: DeliveryState) -> RecipientEvent {
        RecipientEvent::Report { message: message("1"), delivery }
    }

    #[test]
    fn a_recipient_gets_one_message() {
        assert_eq!(queued().state(), RecipientState::Queued);
        assert_eq!(queued().after(RecipientEvent::Queue { message: message("1") }), None);
        assert_eq!(queued().after(RecipientEvent::Queue { message: message("2") }), None);
        let held = RecipientEvent::Hold { reason: WaitReason::Locked, until: Timestamp::from_millis(1) };
        assert_eq!(queued().after(held.clone()), None);
        let skip = RecipientEvent::Skip { reason: SkipReason::Canceled };
        assert_eq!(queued().after(skip.clone()), None);
        let held = Recipient::Pending.after(held).unwrap();
        assert_eq!(held.state(), RecipientState::Held);
        let skipped = held.after(skip).unwrap();
        assert_eq!(skipped.state(), RecipientState::Skipped);
        assert_eq!(skipped.after(RecipientEvent::Queue { message: message("1") }), None);
    }

    #[test]
    fn the_state_follows_the_message_and_never_goes_back() {
        let sent = queued().after(report(DeliveryState::Sent)).unwrap();
        assert_eq!(sent.state(), RecipientState::Sent);
        assert_eq!(sent.after(report(DeliveryState::Sending)), None);
        let failed = sent.after(report(DeliveryState::Failed)).unwrap();
        assert_eq!(failed.state(), RecipientState::Failed);
        assert_eq!(failed.after(report(DeliveryState::Undelivered)), None);
        let delivered = failed.after(report(DeliveryState::Delivered)).unwrap();
        assert_eq!(delivered.state(), RecipientState::Delivered, "carriers deliver late after an error");
        let foreign = RecipientEvent::Report { message: message("2"), delivery: DeliveryState::Sent };
        assert_eq!(queued().after(foreign), None);
    }

    #[test]
    fn names_in_stored_items_are_those_of_the_api() {
        for state in RecipientState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
            assert_eq!(RecipientState::parse(state.as_str()), Some(state));
        }
        assert_eq!(RecipientState::parse("replied"), None);
        for reason in SkipReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    fn event() -> impl Strategy<Value = RecipientEvent> {
        use DeliveryState::{Delivered, Failed, Queued, Sending, Sent, Undelivered, Unknown};
        let name = prop::sample::select(vec!["1", "2"]).prop_map(message);
        let delivery =
            prop::sample::select(vec![Queued, Sending, Unknown, Sent, Failed, Undelivered, Delivered]);
        let until = Timestamp::from_millis(1);
        prop_oneof![
            Just(RecipientEvent::Hold { reason: WaitReason::QuietHours, until }),
            Just(RecipientEvent::Skip { reason: SkipReason::OptedOut }),
            name.clone().prop_map(|message| RecipientEvent::Queue { message }),
            (name, delivery).prop_map(|(message, delivery)| RecipientEvent::Report { message, delivery }),
        ]
    }

    proptest! {
        /// Events of all kinds reach random recipients, in any order and any number of times.
        #[test]
        fn the_sums_are_right_after_every_event(events in prop::collection::vec((0_usize..5, event()), 0..80)) {
            let mut recipients = vec![Recipient::Pending; 5];
            let mut progress = Progress::of(5);
            for (index, event) in events {
                let before = recipients[index].clone();
                let repeated = event.clone();
                let Some(next) = before.after(event) else { continue };
                prop_assert_eq!(next.after(repeated), None, "an event that came twice changes nothing");
                progress = progress.moved(before.state(), next.state()).unwrap();
                recipients[index] = next;
                for state in RecipientState::ALL {
                    let counted = recipients.iter().filter(|recipient| recipient.state() == state).count();
                    prop_assert_eq!(progress.count(state), counted as u64);
                }
                prop_assert_eq!(progress.total(), 5);
                prop_assert_eq!(
                    progress.is_complete(),
                    !recipients.iter().any(|recipient| recipient.state().is_open())
                );
            }
        }
    }
}
