//! Twilio's message statuses, and the delivery states they correspond to.
//!
//! Source: <https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks>.

/// Maximum number of characters kept of an unknown status.
const MAX_UNKNOWN_CHARS: usize = 32;

/// The status of a message at Twilio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageStatus {
    /// Accepted by a Messaging Service that has not chosen a sender yet.
    Accepted,
    /// Will be sent at a set time.
    Scheduled,
    /// Waiting in the queue.
    Queued,
    /// Being passed to the carrier's network.
    Sending,
    /// Accepted by the carrier's network. Some networks report nothing further.
    Sent,
    /// Received by the handset.
    Delivered,
    /// Not received by the handset, as reported by the network.
    Undelivered,
    /// Not sent.
    Failed,
    /// Canceled before it was sent.
    Canceled,
    /// Read by the recipient. Not for SMS.
    Read,
    /// An inbound message that is arriving.
    Receiving,
    /// An inbound message that has arrived.
    Received,
    /// An unknown status. Accept and ignore it.
    Unknown(String),
}

/// The delivery states that a carrier can report, in their order.
///
/// The domain ignores a report of an equal or earlier state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierState {
    /// The carrier has accepted the message.
    Queued,
    /// The carrier is passing the message to the network.
    Sending,
    /// The network has accepted the message.
    Sent,
    /// The handset has received the message.
    Delivered,
    /// The network could not deliver the message.
    Undelivered,
    /// The carrier did not send the message.
    Failed,
}

impl MessageStatus {
    /// The corresponding delivery state. `None` for statuses of inbound messages and unknown ones.
    pub fn carrier_state(&self) -> Option<CarrierState> {
        match self {
            Self::Accepted | Self::Scheduled | Self::Queued => Some(CarrierState::Queued),
            Self::Sending => Some(CarrierState::Sending),
            Self::Sent => Some(CarrierState::Sent),
            Self::Delivered | Self::Read => Some(CarrierState::Delivered),
            Self::Undelivered => Some(CarrierState::Undelivered),
            Self::Failed | Self::Canceled => Some(CarrierState::Failed),
            Self::Receiving | Self::Received | Self::Unknown(_) => None,
        }
    }
}

impl From<&str> for MessageStatus {
    fn from(word: &str) -> Self {
        match word {
            "accepted" => Self::Accepted,
            "scheduled" => Self::Scheduled,
            "queued" => Self::Queued,
            "sending" => Self::Sending,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "undelivered" => Self::Undelivered,
            "failed" => Self::Failed,
            "canceled" => Self::Canceled,
            "read" => Self::Read,
            "receiving" => Self::Receiving,
            "received" => Self::Received,
            unknown => Self::Unknown(unknown.chars().take(MAX_UNKNOWN_CHARS).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outbound_status_has_a_delivery_state() {
        use CarrierState::{Delivered, Failed, Queued, Sending, Sent, Undelivered};
        for (word, state) in [
            ("accepted", Queued),
            ("scheduled", Queued),
            ("queued", Queued),
            ("sending", Sending),
            ("sent", Sent),
            ("delivered", Delivered),
            ("read", Delivered),
            ("undelivered", Undelivered),
            ("failed", Failed),
            ("canceled", Failed),
        ] {
            assert_eq!(MessageStatus::from(word).carrier_state(), Some(state), "{word}");
        }
    }

    #[test]
    fn other_statuses_have_none() {
        for word in ["receiving", "received", "partially_delivered", "DELIVERED", ""] {
            assert_eq!(MessageStatus::from(word).carrier_state(), None, "{word}");
        }
    }

    #[test]
    fn an_unknown_status_is_truncated() {
        let status = MessageStatus::from("é".repeat(100).as_str());
        assert_eq!(status, MessageStatus::Unknown("é".repeat(MAX_UNKNOWN_CHARS)));
    }
}
